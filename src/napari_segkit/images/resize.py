"""Whole images brought to one size, each plane when it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .axes_image import SPATIAL, AxesImage
from .types import AnyArray


@dataclass(frozen=True, eq=False)
class ResizedPlanes:
    """The planes of an image in another size, of the same dtype; an array that reads as it goes.

    A plane is read whole, so it is the largest thing in memory.
    """

    image: AxesImage
    size: tuple[int, int]  # Y, X

    @property
    def shape(self) -> tuple[int, ...]:
        lengths = dict(zip("YX", self.size, strict=True))
        pairs = zip(self.image.axes, self.image.shape, strict=True)
        return tuple(lengths.get(axis, length) for axis, length in pairs)

    @property
    def ndim(self) -> int:
        return len(self.image.axes)

    @property
    def dtype(self) -> np.dtype:
        return self.image.data.dtype

    def __getitem__(self, index: tuple[int | slice, ...]) -> AnyArray:
        """Pixels at an index with a number or slice for each axis."""
        named = dict(zip(self.image.axes, index, strict=True))
        whole = tuple(slice(None) if a in "YX" else i for a, i in named.items())
        pixels = np.asarray(self.image.data[whole])
        left = "".join(a for a, i in named.items() if a in "YX" or isinstance(i, slice))
        places = left.index("Y"), left.index("X")
        planes = resize_planes(np.moveaxis(pixels, places, (-2, -1)), self.size)
        resized = np.moveaxis(planes, (-2, -1), places)
        return resized[tuple(named[a] if a in "YX" else slice(None) for a in left)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def resized(image: AxesImage, size: tuple[int, int]) -> AxesImage:
    """An image whose planes have the size `size`; nothing is read, and it lies where it did."""
    spacing = list(image.spacing)
    for axis, length in zip("YX", size, strict=True):
        spacing[SPATIAL.index(axis)] *= image.length(axis) / length
    z, y, x = spacing
    return replace(image, data=ResizedPlanes(image, size), spacing=(z, y, x))


def resize_planes(pixels: AnyArray, size: Sequence[int]) -> AnyArray:
    """Resize (..., Y, X) pixels to `size` by linear interpolation; integers are rounded.

    Smaller planes are averages of the pixels, so that fine structures do not flicker.
    """
    if pixels.shape[-2:] == tuple(size):
        return pixels
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    resized = np.stack([_resize_plane(plane, size) for plane in planes])
    return resized.reshape(*pixels.shape[:-2], *size)


def _resize_plane(plane: AnyArray, size: Sequence[int]) -> AnyArray:
    from PIL import Image

    is_bytes = plane.dtype == np.uint8  # the other dtype that Pillow interpolates is float32
    picture = Image.fromarray(np.ascontiguousarray(plane if is_bytes else plane.astype(np.float32)))
    values = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    if np.issubdtype(plane.dtype, np.integer):
        values = values.round()
    return values.astype(plane.dtype, copy=False)
