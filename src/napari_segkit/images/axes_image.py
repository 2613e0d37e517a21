"""Images as they come: any array or layer, any order of axes, read region by region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .orientation import orientation_of, reorient, reorient_spacing, transposable

AXES = "TCZYX"
SPATIAL = "ZYX"


@dataclass(frozen=True)
class AxesImage:
    """An array whose axes have names.

    Parameters
    ----------
    data : array-like
        NumPy, dask, zarr or anything that slices like them. It is never copied as a whole.
    axes : str
        One letter of "TCZYX" for each dimension of `data`, in its order, such as "YXC".
    spacing : tuple of float
        Distance between pixels along Z, Y and X in world units; 1.0 where it is not known.
    name : str
        What messages call it.
    alpha : bool
        The last channel is an alpha channel (RGBA) and is left out.
    orientation : str
        Three letters, for Z, Y and X: the anatomical direction in which each index grows, such
        as "SAR" (to superior, anterior, right); "" where it is not known.
    metadata : dict
        What the file or layer tells beside its pixels; ``metadata["nifti"]`` is the header of a
        NIfTI file. It takes no part in comparisons.
    """

    data: Any
    axes: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    name: str = "image"
    alpha: bool = False
    orientation: str = ""
    metadata: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse axes that do not describe the data."""
        wrong = [a for a in self.axes if a not in AXES or self.axes.count(a) > 1]
        if len(self.axes) != self.data.ndim or wrong or not {"Y", "X"} <= set(self.axes):
            raise ValueError(
                f"axes={self.axes!r} do not describe {self.name} of shape {self.shape}: give one "
                "letter of TCZYX for each dimension, each once, Y and X among them."
            )
        if 0 in self.shape:
            raise ValueError(f"{self.name} of shape {self.shape} has no pixels.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions as they come."""
        return tuple(self.data.shape)

    @property
    def channels(self) -> int:
        """Number of channels that a network sees."""
        return self.length("C") - self.alpha

    @property
    def label_axes(self) -> str:
        """Axes of the labels that belong to this image: all but C."""
        return self.axes.replace("C", "")

    def length(self, axis: str) -> int:
        """Length along one axis, 1 where the image lacks it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of the labels that belong to this image, in its own order of axes."""
        return tuple(self.length(a) for a in self.label_axes)

    def spatial_shape(self, ndim: int) -> tuple[int, ...]:
        """Lengths along Y X (`ndim` 2) or Z Y X (`ndim` 3)."""
        return tuple(self.length(a) for a in SPATIAL[-ndim:])

    def frames(self, ndim: int) -> Iterator[dict[str, int]]:
        """Every place along the axes that a model of `ndim` dimensions walks one by one."""
        walked = [a for a in self.label_axes if a not in SPATIAL[-ndim:]]
        for places in product(*(range(self.length(a)) for a in walked)):
            yield dict(zip(walked, places, strict=True))

    def frame_count(self, ndim: int) -> int:
        """How many images of `ndim` dimensions this one holds."""
        return int(np.prod(self.label_shape) // np.prod(self.spatial_shape(ndim)))

    def array_index(
        self, frame: dict[str, int], region: Sequence[slice], axes: str
    ) -> tuple[Any, ...]:
        """The index into an array with `axes` for one frame and a region of its Z, Y and X."""
        where: dict[str, Any] = dict(zip(SPATIAL[-len(region) :], region, strict=True)) | frame
        return tuple(where.get(a, slice(None)) for a in axes)

    def read(self, frame: dict[str, int], region: Sequence[slice]) -> NDArray[Any]:
        """Read a region of one frame.

        Parameters
        ----------
        frame : dict
            Place along the walked axes, as `frames` gives it.
        region : sequence of slice
            One slice each for Y X or Z Y X.

        Returns
        -------
        ndarray
            Pixels of shape ``(C, *region)`` in their own dtype.
        """
        pixels = np.asarray(self.data[self.array_index(frame, region, self.axes)])
        pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
        left = [a for a in self.axes if a not in frame]
        wanted = ["C", *SPATIAL[-len(region) :]]
        for axis in wanted:
            if axis not in left:
                pixels, left = pixels[..., None], [*left, axis]
        pixels = pixels.transpose([left.index(a) for a in wanted])
        return pixels[: self.channels]

    def write(self, target: NDArray[Any], frame: dict[str, int], values: NDArray[Any]) -> None:
        """Put one frame's values into an array shaped like this image's labels.

        Parameters
        ----------
        target : ndarray
            Of shape ``without_channels()``, or with further axes in front.
        frame : dict
            Place along the walked axes.
        values : ndarray
            Of shape ``(..., Y, X)`` or ``(..., Z, Y, X)``, the whole frame.
        """
        front = target.ndim - len(self.label_axes)
        spatial = SPATIAL[-(values.ndim - front) :]
        for axis in [a for a in spatial if a not in self.axes]:
            values, spatial = values.squeeze(front + spatial.index(axis)), spatial.replace(axis, "")
        order = [front + spatial.index(a) for a in self.label_axes if a in spatial]
        where = tuple(frame.get(a, slice(None)) for a in self.label_axes)
        target[(..., *where)] = values.transpose(*range(front), *order)


def is_layer(source: Any) -> bool:
    """Whether `source` is a napari layer, or looks like one."""
    return all(hasattr(source, name) for name in ("data", "scale", "ndim", "metadata"))


def as_image(
    source: Any,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
) -> AxesImage:
    """Name the axes of an array or a napari image layer.

    Parameters
    ----------
    source : array-like, layer or AxesImage
        A multiscale layer is read at its full resolution; an alpha channel is left out.
    axes : str, optional
        One letter of "TCZYX" a dimension. None: the layer's own axis labels, or what
        `guess_axes` makes of the shapes.
    spacing : sequence of float, optional
        World units between pixels, along Z Y X or Y X. None: the layer's scale, or 1.
    labels_shape : sequence of int, optional
        Shape of the labels that belong to it; the axis they lack is C.
    like : str, optional
        Axes of the image that a model was trained with.
    channels : int, optional
        Channels that a model was trained with: three of four take the fourth for alpha.

    Returns
    -------
    AxesImage
        The same pixels, not copied.

    Raises
    ------
    ValueError
        If the axes do not describe the data.
    """
    if isinstance(source, AxesImage):
        return source
    layer = source if is_layer(source) else None
    data = full_resolution(source)
    if not np.issubdtype(data.dtype, np.number) and data.dtype != bool:
        raise TypeError(f"The image has dtype {data.dtype}; give numbers.")
    if np.issubdtype(data.dtype, np.complexfloating):
        raise TypeError(f"The image has dtype {data.dtype}; give real numbers, such as its abs().")
    name = getattr(layer, "name", None) or "image"
    named = axes.upper() if axes else _layer_axes(layer, data.ndim)
    named = named or guess_axes(source, labels_shape, like=like)
    guessed = axes is None and getattr(source, "rgb", None) is None and data.dtype == np.uint8
    four = named.endswith("C") and data.shape[-1] == 4
    alpha = four and channels != 4 and (getattr(source, "rgb", False) or guessed or channels == 3)
    metadata = dict(getattr(layer, "metadata", {}))
    orientation = (
        orientation_of(layer) if "".join(a for a in named if a in SPATIAL) == SPATIAL else ""
    )
    return AxesImage(
        data, named, _spacing(layer, named, spacing), name, alpha, orientation, metadata
    )


def full_resolution(source: Any) -> Any:
    """The array behind a layer, a list or an array; of several levels, the finest."""
    data = source.data if is_layer(source) else source
    if getattr(source, "multiscale", False):
        data = data[0]
    return data if hasattr(data, "ndim") and hasattr(data, "dtype") else np.asarray(data)


def guess_axes(
    source: Any, labels_shape: Sequence[int] | None = None, *, like: str | None = None
) -> str:
    """Name the axes where nobody did.

    Parameters
    ----------
    source : array-like or layer
        The image.
    labels_shape : sequence of int, optional
        Shape of its labels: the axis that they lack is C.
    like : str, optional
        Axes a model was trained with: the same, with Z and T in front of them or without.

    Returns
    -------
    str
        Such as "YX", "YXC" (colour), "ZYX" (a stack or volume), "TZYX".
    """
    shape = tuple(full_resolution(source).shape)
    channel = _channel_axis(source, shape, labels_shape)
    if like is not None and channel is None:
        return _with_ndim(like, len(shape))
    if like is not None and "C" in like and not getattr(source, "rgb", False):
        return _with_ndim(like, len(shape))
    plain = len(shape) - (channel is not None)
    names = _with_ndim((like or "").replace("C", "") or "TZYX", plain)
    return names if channel is None else names[:channel] + "C" + names[channel:]


def _channel_axis(
    source: Any, shape: tuple[int, ...], labels_shape: Sequence[int] | None
) -> int | None:
    """Where C stands, as far as the layer, the labels or a length of 3 or 4 at the end tell."""
    ndim = len(shape)
    if getattr(source, "rgb", False):
        return ndim - 1
    looks_colour = ndim > 2 and shape[-1] in (3, 4) and getattr(source, "rgb", None) is None
    if labels_shape is not None and len(labels_shape) == ndim - 1:
        fits = [i for i in range(ndim) if shape[:i] + shape[i + 1 :] == tuple(labels_shape)]
        colour = ndim - 1 in fits and shape[-1] in (3, 4)
        return ndim - 1 if colour else fits[0] if fits else None
    return ndim - 1 if looks_colour else None


def _with_ndim(axes: str, ndim: int) -> str:
    """The same axes with T and Z left out or added until there are `ndim` of them."""
    for axis in "TZC":
        axes = axes.replace(axis, "") if len(axes) > ndim else axes
    for axis in "ZT":
        if axis not in axes and len(axes) < ndim:
            front = axes.startswith("T")
            axes = axes[:front] + axis + axes[front:]
    return axes


def _layer_axes(layer: Any, ndim: int) -> str | None:
    """The layer's axis labels where they are letters of TCZYX (napari's default are numbers)."""
    named = "".join(str(a).upper()[:1] for a in getattr(layer, "axis_labels", ()))
    if not {"Y", "X"} <= set(named) or not set(named) <= set(AXES):
        return None
    named += "C" * bool(getattr(layer, "rgb", False))
    return named if len(named) == ndim == len(set(named)) else None


def _spacing(layer: Any, axes: str, spacing: Sequence[float] | None) -> tuple[float, float, float]:
    """World units along Z, Y, X."""
    if spacing is None and layer is not None:
        names = axes[:-1] if getattr(layer, "rgb", False) else axes
        known = dict(zip(names, map(float, layer.scale), strict=False))
        spacing = [abs(known.get(a, 1.0)) for a in SPATIAL]
    values = [float(s) for s in spacing] if spacing is not None else []
    if len(values) > 3 or any(not 0 < s < np.inf for s in values):
        raise ValueError(f"spacing is {spacing}; give up to three positive numbers, for Z, Y, X.")
    z, y, x = [1.0] * (3 - len(values)) + values
    return z, y, x


def reorient_image(image: AxesImage, wanted: str) -> AxesImage:
    """Give an image that lies another way.

    Parameters
    ----------
    image : AxesImage
        With any axes; what has no Z, or no known orientation, stays as it is.
    wanted : str
        The way it is to lie, as in `reorient`; "" for any.

    Returns
    -------
    AxesImage
        The same pixels, not copied, with the same order of axes. Labels made for it go back with
        ``turn(labels, image.label_axes, wanted, image.orientation)``.
    """
    known = image.orientation and wanted and "Z" in image.axes
    if not known or image.orientation == wanted:
        return image
    return replace(
        image,
        data=reorient(transposable(image.data), image.axes, image.orientation, wanted),
        spacing=reorient_spacing(image.spacing, image.orientation, wanted),
        orientation=wanted,
    )
