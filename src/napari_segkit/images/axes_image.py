"""Images with named axes: any array or napari layer, read frame by frame and region by region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, TypeGuard

import numpy as np

from .orientation import orientation_of, reorient, reorient_spacing
from .types import AnyArray, ImageSource, LayerLike, LazyArray
from .units import UNKNOWN_SPACING, PixelSize, Spacing, convert, pixel_size

AXES = "TCZYX"
SPATIAL = "ZYX"


@dataclass(frozen=True)
class AxesImage:
    """An array (NumPy, dask, zarr, ...) with named axes, never copied as a whole."""

    data: LazyArray
    axes: str  # one letter of "TCZYX" for each dimension of `data`, in its order
    spacing: Spacing = UNKNOWN_SPACING  # Z, Y, X in world units; 1: unknown
    name: str = "image"  # for messages
    alpha: bool = False  # the last channel is an alpha channel (RGBA), which is left out
    orientation: str = ""  # anatomical directions of Z, Y and X, such as "SAR"; "": unknown
    unit: str = ""  # of the spacing, such as "nm", "um", "mm"; "": unknown
    metadata: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        wrong = [a for a in self.axes if a not in AXES or self.axes.count(a) > 1]
        if len(self.axes) != self.data.ndim or wrong or not {"Y", "X"} <= set(self.axes):
            raise ValueError(
                f"axes={self.axes!r} do not describe {self.name} of shape {self.shape}: give one "
                "letter of TCZYX for each dimension, each letter once, Y and X among them."
            )
        if 0 in self.shape:
            raise ValueError(f"{self.name} of shape {self.shape} has no pixels.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of `data`."""
        return tuple(self.data.shape)

    @property
    def channels(self) -> int:
        """Number of channels without alpha."""
        return self.length("C") - self.alpha

    @property
    def label_axes(self) -> str:
        """Axes of this image's labels: all but C."""
        return self.axes.replace("C", "")

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of this image's labels, in the order of `label_axes`."""
        return tuple(self.length(a) for a in self.label_axes)

    def length(self, axis: str) -> int:
        """Length along one axis; 1 if the image does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def spatial_shape(self, ndim: int) -> tuple[int, ...]:
        """Lengths along Y X (`ndim` 2) or Z Y X (`ndim` 3)."""
        return tuple(self.length(a) for a in SPATIAL[-ndim:])

    def frames(self, ndim: int) -> Iterator[dict[str, int]]:
        """Indices of the planes (`ndim` 2) or volumes (3), such as {"T": 0, "Z": 3}."""
        frame_axes = [a for a in self.label_axes if a not in SPATIAL[-ndim:]]
        every_index = product(*[range(self.length(a)) for a in frame_axes])
        return (dict(zip(frame_axes, index, strict=True)) for index in every_index)

    def frame_count(self, ndim: int) -> int:
        return int(np.prod(self.label_shape) // np.prod(self.spatial_shape(ndim)))

    def read_frames(self, ndim: int) -> Iterator[tuple[dict[str, int], AnyArray]]:
        """Whole planes (`ndim` 2) or volumes (3), as `read` gives them, after their indices."""
        region = [slice(0, n) for n in self.spatial_shape(ndim)]
        for frame in self.frames(ndim):
            yield frame, self.read(frame, region)

    def array_index(
        self, frame: dict[str, int], region: Sequence[slice], axes: str
    ) -> tuple[int | slice, ...]:
        """Index of a region (Y X or Z Y X) of a frame in an array whose axes are `axes`."""
        index: dict[str, int | slice] = dict(frame)
        index |= zip(SPATIAL[-len(region) :], region, strict=True)
        return tuple([index.get(a, slice(None)) for a in axes])

    def read(self, frame: dict[str, int], region: Sequence[slice]) -> AnyArray:
        """Pixels of a region (Y X or Z Y X) of a frame, as (C, *region) in their own dtype."""
        pixels = np.asarray(self.data[self.array_index(frame, region, self.axes)])
        pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
        axes = [a for a in self.axes if a not in frame]
        target = ["C", *SPATIAL[-len(region) :]]
        for axis in target:
            if axis not in axes:
                pixels, axes = pixels[..., None], [*axes, axis]
        pixels = pixels.transpose([axes.index(a) for a in target])
        return pixels[: self.channels]

    def write(
        self,
        target: AnyArray,
        frame: dict[str, int],
        values: AnyArray,
        region: Sequence[slice] | None = None,
    ) -> None:
        """Store values, (..., Y, X) or (..., Z, Y, X), in a (..., *label_shape) array.

        They are those of a frame, or of a region of it.
        """
        leading = target.ndim - len(self.label_axes)
        spatial = SPATIAL[-(values.ndim - leading) :]
        region = region or [slice(None)] * len(spatial)
        index = self.array_index(frame, region, self.label_axes)
        for axis in [a for a in spatial if a not in self.axes]:
            values = values.squeeze(leading + spatial.index(axis))
            spatial = spatial.replace(axis, "")
        order = [leading + spatial.index(a) for a in self.label_axes if a in spatial]
        target[(..., *index)] = values.transpose(*range(leading), *order)


def is_layer(source: object) -> TypeGuard[LayerLike]:
    """Whether `source` is a napari layer or has the attributes of one."""
    return all(hasattr(source, name) for name in ("data", "scale", "ndim", "metadata"))


def as_image(
    source: ImageSource,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    unit: str = "",
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
) -> AxesImage:
    """Array or napari layer as an AxesImage, not copied, without an alpha channel.

    Without `axes` they come from the layer, the shape of the labels, the axes of training (`like`)
    or the shape. `unit` is that of the spacing; "": that of the layer. `channels` is what a model
    was trained on: of RGBA, a model of 3 takes RGB.
    """
    if isinstance(source, AxesImage):
        return source
    layer = source if is_layer(source) else None
    data = full_resolution(source)
    _require_real_numbers(data.dtype)
    known = axes.upper() if axes else layer_axes(layer, data.ndim)
    named = known or guess_axes(source, labels_shape, like=like)
    volume = "".join(a for a in named if a in SPATIAL) == SPATIAL
    stored = _layer_pixel_size(layer, named)
    return AxesImage(
        data,
        named,
        stored.spacing if spacing is None else _three_sizes(spacing),
        getattr(layer, "name", None) or "image",
        _has_alpha(source, data, named, axes is None, channels),
        orientation_of(layer) if volume else "",
        unit or stored.unit,
        dict(getattr(layer, "metadata", {})),
    )


def full_resolution(source: ImageSource) -> LazyArray:
    """The array of a layer, list or array; the first level of a multiscale layer."""
    data: Any = source.data if isinstance(source, AxesImage) or is_layer(source) else source
    if getattr(source, "multiscale", False):
        data = data[0]
    return data if hasattr(data, "ndim") and hasattr(data, "dtype") else np.asarray(data)


def guess_axes(
    source: ImageSource, labels_shape: Sequence[int] | None = None, *, like: str | None = None
) -> str:
    """Guess axes such as "YXC" or "TZYX" from the shapes and the axes of training (`like`)."""
    shape = tuple(full_resolution(source).shape)
    channel = _channel_axis(source, shape, labels_shape)
    if like is not None and channel is None:
        return _with_ndim(like, len(shape))
    if like is not None and "C" in like and not getattr(source, "rgb", False):
        return _with_ndim(like, len(shape))
    ndim = len(shape) - (channel is not None)
    axes = _with_ndim((like or "").replace("C", "") or "TZYX", ndim)
    return axes if channel is None else axes[:channel] + "C" + axes[channel:]


def layer_axes(layer: object, ndim: int) -> str | None:
    """The layer's axis labels if they are letters of TCZYX (napari's default are numbers)."""
    axes = "".join(str(a).upper()[:1] for a in getattr(layer, "axis_labels", ()))
    if not {"Y", "X"} <= set(axes) or not set(axes) <= set(AXES):
        return None
    axes += "C" * bool(getattr(layer, "rgb", False))
    return axes if len(axes) == ndim == len(set(axes)) else None


def without_pixels(image: AxesImage) -> AxesImage:
    """The axes and spacing of an image, with a placeholder for its pixels."""
    return replace(image, data=np.broadcast_to(np.uint8(0), image.shape), metadata={})


def in_unit(image: AxesImage, unit: str) -> AxesImage:
    """An image with its spacing in another unit; as it is if one of them is unknown."""
    if not image.unit or not unit:
        return image
    z, y, x = (convert(size, image.unit, unit) for size in image.spacing)
    return replace(image, spacing=(z, y, x), unit=unit)


def reorient_image(image: AxesImage, target: str) -> AxesImage:
    """View of an image in another orientation, as in `reorient`; the axes keep their order.

    Labels of the view go back with ``reorient(labels, image.label_axes, target,
    image.orientation)``.
    """
    known = image.orientation and target and "Z" in image.axes
    if not known or image.orientation == target:
        return image
    return replace(
        image,
        data=reorient(image.data, image.axes, image.orientation, target),
        spacing=reorient_spacing(image.spacing, image.orientation, target),
        orientation=target,
    )


def _require_real_numbers(dtype: np.dtype) -> None:
    if not np.issubdtype(dtype, np.number) and dtype != np.bool_:
        raise TypeError(f"The image has dtype {dtype}: give an array of numbers.")
    if np.issubdtype(dtype, np.complexfloating):
        raise TypeError(
            f"The image has dtype {dtype}: give real numbers, such as numpy.abs(image)."
        )


def _has_alpha(
    source: object, data: LazyArray, axes: str, guessed: bool, channels: int | None
) -> bool:
    """Whether the last of four channels is taken for alpha."""
    if not axes.endswith("C") or data.shape[-1] != 4 or channels == 4:
        return False
    guessed = guessed and getattr(source, "rgb", None) is None and data.dtype == np.uint8
    return bool(getattr(source, "rgb", False) or guessed or channels == 3)


def _channel_axis(
    source: object, shape: tuple[int, ...], labels_shape: Sequence[int] | None
) -> int | None:
    """Index of C, from the layer, the shape of the labels or a last axis of length 3 or 4."""
    ndim = len(shape)
    if getattr(source, "rgb", False):
        return ndim - 1
    looks_rgb = ndim > 2 and shape[-1] in (3, 4) and getattr(source, "rgb", None) is None
    if labels_shape is not None and len(labels_shape) == ndim - 1:
        fits = [i for i in range(ndim) if shape[:i] + shape[i + 1 :] == tuple(labels_shape)]
        rgb = ndim - 1 in fits and shape[-1] in (3, 4)
        return ndim - 1 if rgb else fits[0] if fits else None
    return ndim - 1 if looks_rgb else None


def _with_ndim(axes: str, ndim: int) -> str:
    """Drop T, Z and C, or add Z and T, until there are `ndim` axes."""
    for axis in "TZC":
        axes = axes.replace(axis, "") if len(axes) > ndim else axes
    for axis in "ZT":
        if axis not in axes and len(axes) < ndim:
            after_time = axes.startswith("T")
            axes = axes[:after_time] + axis + axes[after_time:]
    return axes


def _layer_pixel_size(layer: LayerLike | None, axes: str) -> PixelSize:
    """World units between pixels along Z, Y, X; 1 where it is unknown."""
    if layer is None:
        return PixelSize(UNKNOWN_SPACING)
    scaled = axes[:-1] if getattr(layer, "rgb", False) else axes
    sizes = dict(zip(scaled, map(float, layer.scale), strict=False))
    units = dict(zip(scaled, map(str, getattr(layer, "units", ())), strict=False))
    known = pixel_size(
        [abs(sizes.get(a, 1.0)) for a in SPATIAL], [units.get(a, "") for a in SPATIAL]
    )
    return PixelSize(_three_sizes(known.spacing), known.unit)


def _three_sizes(spacing: Sequence[float]) -> Spacing:
    """Spacing along Z, Y, X of that along the last of them."""
    values = [float(s) for s in spacing]
    if len(values) > 3 or any(not 0 < s < np.inf for s in values):
        raise ValueError(f"spacing is {spacing}: give up to three positive numbers, for Z, Y, X.")
    z, y, x = [1.0] * (3 - len(values)) + values
    return z, y, x
