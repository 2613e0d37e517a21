"""Images with named axes: any array or napari layer, read frame by frame and region by region."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from napari_segkit.arguments import as_spacing, given
from napari_segkit.error_messages import is_out_of_memory

from .arrays import as_array
from .axis_guess import channel_notes, guess_axes, is_order, layer_axes
from .levels import factors_of, level_like, levels_of, require_level
from .orientation import orientation_of, reorient, reorient_spacing
from .types import AnyArray, ImageSource, LayerLike, LazyArray, is_layer
from .units import UNKNOWN_SPACING, PixelSize, Spacing, convert, pixel_size
from .whole_numbers import require_real_numbers

SPATIAL = "ZYX"
VECTOR_LAYERS = ("Points", "Shapes", "Surface", "Tracks", "Vectors", "Graph")  # of napari


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
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)  # what was guessed
    channel_names: tuple[str, ...] = ()  # of channels that came from several sources
    level: int = 0  # of a multiscale image

    def __post_init__(self) -> None:
        if len(self.axes) != self.data.ndim or not is_order(self.axes):
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
    def is_rgb(self) -> bool:
        """Whether the channels are red, green and blue."""
        return self.axes.endswith("C") and self.channels == 3

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
        pixels = self.pixels(self.array_index(frame, region, self.axes))
        pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
        axes = [a for a in self.axes if a not in frame]
        target = ["C", *SPATIAL[-len(region) :]]
        for axis in target:
            if axis not in axes:
                pixels, axes = pixels[..., None], [*axes, axis]
        pixels = pixels.transpose([axes.index(a) for a in target])
        return pixels[: self.channels]

    def pixels(self, index: tuple[int | slice, ...]) -> AnyArray:
        """Pixels at an index of the array; OSError says where a chunk of a file fails to be read.

        Only arrays of other libraries have chunks.
        """
        try:
            return np.asarray(self.data[index])
        except Exception as error:
            if not hasattr(self.data, "chunks") or is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise OSError(
                f"{self.name} cannot be read at {_place(self, index)}: {reason}."
            ) from error

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


def as_image(
    source: ImageSource,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    *,
    unit: str = "",
    labels_shape: Sequence[int] | None = None,
    like: str | None = None,
    channels: int | None = None,
    name: str = "image",
    level: int = 0,
) -> AxesImage:
    """Array or napari layer as an AxesImage, not copied, without an alpha channel.

    Without `axes` they come from the layer, the shape of the labels, the axes of training (`like`)
    or the shape. `unit` is that of the spacing; "": that of the layer. `channels` is what a model
    was trained on: of RGBA, a model of 3 takes RGB. `name` is that of an array. `level` is that of
    a multiscale image, unless the labels have the shape of another one; `spacing` is of the finest.
    """
    if isinstance(source, AxesImage):
        require_level(source, level, source.name)
        return source
    layer = source if is_layer(source) else None
    name = getattr(layer, "name", None) or name
    level = level if labels_shape is None else level_like(source, labels_shape)
    data = full_resolution(source, name, level)
    require_real_numbers(data, name)
    shape, rgb = tuple(data.shape), getattr(source, "rgb", None)
    known = layer_axes(layer, data.ndim) if axes is None else _letters(axes)
    named = known or guess_axes(shape, labels_shape, rgb=rgb, like=like, channels=channels)
    notes = () if known else channel_notes(named, shape, labels_shape, name)
    if level and labels_shape is not None:
        notes += (f"its level {level} is used, which has the shape of the labels.",)
    volume = "".join(a for a in named if a in SPATIAL) == SPATIAL
    stored = _layer_pixel_size(layer, named)
    spacing = stored.spacing if spacing is None else _three_sizes(spacing)
    return AxesImage(
        data,
        named,
        _at_level(spacing, source, level, named),
        name,
        _has_alpha(source, data, named, axes is None, channels),
        orientation_of(layer) if volume else "",
        unit or stored.unit,
        dict(getattr(layer, "metadata", {})),
        notes,
        level=level,
    )


def has_pixels(layer: object) -> bool:
    """Whether a layer is one of pixels; behind napari's proxy, its class is that of the layer."""
    return layer.__class__.__name__ not in VECTOR_LAYERS


def full_resolution(source: ImageSource, name: str = "image", level: int = 0) -> LazyArray:
    """The array of a layer, list or array; the first or another level of a multiscale image.

    `name` is what messages call it, unless it is a layer.
    """
    if isinstance(source, AxesImage):
        return source.data
    layer = source if is_layer(source) else None
    name = getattr(layer, "name", "") or name
    if layer is not None and not has_pixels(layer):
        raise TypeError(
            f"{name} is a {source.__class__.__name__} layer, which has no pixels: give an Image or "
            "Labels layer."
        )
    require_level(source, level, name)
    if (levels := levels_of(source)) is not None:
        return as_array(levels[level], name)
    return as_array(source if layer is None else layer.data, name)


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


def is_opaque(data: LazyArray) -> bool:
    """Whether a fourth channel is an alpha channel that hides nothing."""
    whole = np.iinfo(data.dtype).max if np.issubdtype(data.dtype, np.integer) else 1
    return isinstance(data, np.ndarray) and bool((data[..., 3] == whole).all())


def _has_alpha(
    source: object, data: LazyArray, axes: str, guessed: bool, channels: int | None
) -> bool:
    """Whether the last of four channels is alpha: by the layer, or in colours without a word."""
    if not axes.endswith("C") or data.shape[-1] != 4 or channels == 4:
        return False
    rgb = getattr(source, "rgb", None)
    unknown = guessed and rgb is None and data.dtype == np.uint8
    return bool(rgb or (unknown and (channels == 3 or is_opaque(data))))


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


def _place(image: AxesImage, index: Sequence[int | slice]) -> str:
    """Such as "T 3, Y 0:256, X 256:512"."""
    ends = [
        f"{part.start or 0}:{length if part.stop is None else part.stop}"
        if isinstance(part, slice)
        else str(part)
        for part, length in zip(index, image.shape, strict=True)
    ]
    return ", ".join(f"{axis} {end}" for axis, end in zip(image.axes, ends, strict=True))


def _at_level(spacing: Spacing, source: object, level: int, axes: str) -> Spacing:
    """The spacing of a level of a multiscale image, of that of the finest."""
    if not level or spacing == UNKNOWN_SPACING or levels_of(source) is None:
        return spacing
    factors = dict(zip(axes, map(float, factors_of(source, level)), strict=True))
    z, y, x = (size * factors.get(a, 1.0) for a, size in zip(SPATIAL, spacing, strict=True))
    return z, y, x


def _three_sizes(spacing: Sequence[float]) -> Spacing:
    """Spacing along Z, Y, X of that along the last of them."""
    z, y, x = as_spacing(spacing, 3)
    return z, y, x


def _letters(axes: object) -> str:
    """Axes that were named, in capitals; whether they suit the shape is seen later."""
    if not isinstance(axes, str) or not axes:
        raise ValueError(
            f"axes is {given(axes)}: give one letter of TCZYX for each dimension, or leave it out."
        )
    return axes.upper()
