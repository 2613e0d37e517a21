"""The levels of an image that is looked at: its own, and coarser ones of every second pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray, LazyArray

COARSEST = 768  # pixels along Y and X of the coarsest level, at most: few tiles


@dataclass(frozen=True, eq=False)
class Strided:
    """Every second, fourth, ... pixel of an array, read when it is asked for."""

    data: LazyArray
    steps: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple([-(-n // step) for n, step in zip(self.data.shape, self.steps, strict=True)])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: tuple[int | slice, ...]) -> AnyArray:
        """Pixels at an index of each axis."""
        sides = zip(index, self.shape, self.steps, strict=True)
        return np.asarray(self.data[tuple([_strided(*side) for side in sides])])


def _strided(index: int | slice, length: int, step: int) -> int | slice:
    if not isinstance(index, slice):
        return index * step
    start, stop, _ = index.indices(length)
    return slice(start * step, max(start, stop - 1) * step + 1, step)


def view_levels(levels: Sequence[AxesImage]) -> list[AxesImage]:
    """The levels of an image, and coarser ones of its last one, of halved lengths along Y and X.

    There are two or more, as napari takes them.
    """
    last, found = levels[-1], list(levels)
    step = 2
    while len(found) == 1 or max(found[-1].spatial_shape(2)) > COARSEST:
        steps = tuple([step if axis in "YX" else 1 for axis in last.axes])
        found.append(replace(last, data=Strided(last.data, steps)))
        step *= 2
    return found


def previews_from(levels: Sequence[AxesImage]) -> int:
    """The first level that is read quickly as a whole; of chunks, every second pixel is not."""
    is_quick = len(levels) > 1 or isinstance(levels[0].data, np.ndarray)
    return 1 if is_quick else 2**31
