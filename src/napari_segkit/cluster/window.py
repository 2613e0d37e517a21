"""The part of an image that travels to a worker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray


@dataclass(frozen=True)
class Window:
    """An array of which only the pixels of one box are here; indices are those of the whole."""

    pixels: AnyArray
    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        return self.pixels.dtype

    @property
    def ndim(self) -> int:
        return self.pixels.ndim

    def __getitem__(self, index: tuple[int | slice, ...], /) -> AnyArray:
        axes = zip(index, self.start, self.pixels.shape, self.shape, strict=True)
        return self.pixels[tuple([_relative(*axis) for axis in axes])]


def window_of(image: AxesImage, frame: dict[str, int], box: Sequence[slice]) -> AxesImage:
    """An image with only the pixels of a box of a frame, which are read here."""
    inside = {axis: slice(n, n + 1) for axis, n in frame.items()}
    index = image.array_index({}, box, image.axes)
    index = tuple([inside.get(a, side) for a, side in zip(image.axes, index, strict=True)])
    start = tuple([side.start or 0 for side in index if isinstance(side, slice)])
    pixels = np.ascontiguousarray(image.pixels(index))
    return replace(image, data=Window(pixels, start, image.shape), metadata={})


def _relative(part: int | slice, first: int, held: int, length: int) -> int | slice:
    """A part of an axis, counted from the first pixel that is held; IndexError for others."""
    start, stop, _ = part.indices(length) if isinstance(part, slice) else (part, part + 1, 1)
    if not first <= start <= stop <= first + held:
        raise IndexError(f"{start}:{stop} is not within {first}:{first + held}")
    return slice(start - first, stop - first) if isinstance(part, slice) else part - first
