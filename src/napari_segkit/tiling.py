"""Where tiles lie and how they are blended: geometry only.

Tiles lie on a grid that starts at the image's origin, so that any part of an image, predicted
anywhere, is made of the very same tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """One tile of the grid.

    Parameters
    ----------
    start : tuple of int
        Its first pixel along each axis.
    region : tuple of slice
        The part of the image it covers.
    """

    start: tuple[int, ...]
    region: tuple[slice, ...]


@dataclass(frozen=True)
class Grid:
    """The tiles that cover an image.

    Parameters
    ----------
    shape : tuple of int
        The image's lengths along its spatial axes, in pixels.
    size : tuple of int
        A tile's lengths.
    overlap : tuple of int
        Pixels that neighbours share along each axis, at most half a tile.
    blended : bool
        Tiles are blended, and the last one reaches past the image's end; where what they hold is
        joined in another way, it only has to reach the end.
    """

    shape: tuple[int, ...]
    size: tuple[int, ...]
    overlap: tuple[int, ...]
    blended: bool = True

    def __len__(self) -> int:
        """Number of tiles."""
        return int(np.prod([len(self.starts(axis)) for axis in range(len(self.shape))]))

    def starts(self, axis: int) -> range:
        """First pixels of the tiles along an axis.

        Where tiles are blended the last one reaches at least a quarter of the overlap past the
        image's end, so that what lies beyond the end looks the same to every tile.
        """
        step = self.size[axis] - self.overlap[axis]
        beyond = margin(self.overlap[axis]) if self.blended else 0
        reach = self.shape[axis] + beyond - self.size[axis]
        return range(0, step * max(0, ceil(reach / step)) + 1, step)

    def __iter__(self) -> Iterator[Tile]:
        """The tiles, the last axis fastest."""
        for start in product(*(self.starts(axis) for axis in range(len(self.shape)))):
            spans = zip(start, self.size, self.shape, strict=True)
            yield Tile(start, tuple(slice(s, min(s + n, end)) for s, n, end in spans))

    def weights(self, tile: Tile) -> NDArray[np.float32]:
        """How much each pixel of ``tile.region`` counts; over all tiles they add up to one."""
        return reduce(np.multiply.outer, map(self._ramp, range(len(self.shape)), tile.start))

    def _ramp(self, axis: int, start: int) -> NDArray[np.float32]:
        size, overlap, end = self.size[axis], self.overlap[axis], self.shape[axis]
        here = np.arange(min(size, end - start))
        weights = np.ones(len(here), np.float32)
        if start != 0:
            weights *= ramp_weight(here, overlap)
        if start != self.starts(axis)[-1]:
            weights *= 1 - ramp_weight(here - (size - overlap), overlap)
        return weights


def margin(overlap: int) -> int:
    """Outer pixels of an overlap that are thrown away: a quarter of it."""
    return overlap // 4


def ramp_weight(place: NDArray[np.integer], overlap: int) -> NDArray[np.float32]:
    """Weight of a tile `place` pixels from its inner edge: 0, a ramp over half the overlap, 1."""
    width = overlap - 2 * margin(overlap)
    if width == 0:
        return (place >= 0).astype(np.float32)
    return ((place - margin(overlap) + 0.5) / width).clip(0, 1).astype(np.float32)


def mirrored_indices(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices from `start` to `stop` into an axis that is mirrored at its ends."""
    if length == 1:
        return np.zeros(stop - start, np.intp)
    period = 2 * (length - 1)
    place = np.abs(np.arange(start, stop)) % period
    return np.minimum(place, period - place)


def round_up(length: int, stride: int) -> int:
    """The next multiple of `stride`."""
    return ceil(length / stride) * stride


def length_per_axis(length: int, strides: Sequence[int]) -> list[int]:
    """A length in pixels along each axis: less along those that a network halves less often.

    Parameters
    ----------
    length : int
        Along the axes that are halved most often.
    strides : sequence of int
        Of the network along each axis.
    """
    return [round(length * stride / max(strides)) for stride in strides]


def tile_shape(
    wished: Sequence[int], lengths: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...]:
    """A tile's edges as a network can take them: at least two strides, so that neighbours overlap.

    Parameters
    ----------
    wished : sequence of int
        Along each spatial axis, in pixels.
    lengths : sequence of int
        Of the images: one stride along Z is enough for a stack that is thinner.
    strides : sequence of int
        Of the network.
    """
    thin = [len(strides) == 3 and axis == 0 for axis in range(len(strides))]
    return tuple(
        round_up(max(wish, step if z and length <= step else 2 * step), step)
        for wish, length, step, z in zip(wished, lengths, strides, thin, strict=True)
    )


def tile_shape_from_size(
    length: int, lengths: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...]:
    """A tile's edges where a person gave one number for all of them.

    Parameters
    ----------
    length : int
        As given; less along axes that are halved less often.
    lengths, strides : sequence of int
        As in `tile_shape`. A tile that holds an image with the margin it needs is not made larger.
    """
    wished = [
        min(wish, ceil(end * 8 / 7))
        for wish, end in zip(length_per_axis(length, strides), lengths, strict=True)
    ]
    return tile_shape(wished, lengths, strides)


def fit_to_stride(size: int, overlap: int, stride: int) -> tuple[int, int]:
    """Tile size and overlap as a network can take them: multiples of its stride.

    Parameters
    ----------
    size, overlap : int
        As wished.
    stride : int
        Of the network.

    Returns
    -------
    tuple of int
        The size rounded up, the overlap rounded up where half a tile allows it.

    Raises
    ------
    ValueError
        If the overlap is more than half of the tile.
    """
    size = round_up(size, stride)
    if 2 * overlap > size:
        raise ValueError(
            f"The overlap of {overlap} pixels is more than half of the tile of {size}: give a "
            "larger tile_size or a smaller overlap."
        )
    return size, min(round_up(overlap, stride), size // 2 // stride * stride)


def read_mirrored(
    read: Callable[[tuple[slice, ...]], NDArray[Any]],
    start: Sequence[int],
    size: Sequence[int],
    shape: Sequence[int],
) -> NDArray[Any]:
    """Read a window that may reach past an image, mirrored where it does.

    Parameters
    ----------
    read : callable
        From slices within the image to an array whose last axes are those slices.
    start, size : sequence of int
        The window; it may start before the image and end after it.
    shape : sequence of int
        The image's lengths.

    Returns
    -------
    ndarray
        The window, its last axes of lengths `size`. Only the pixels it needs are read.
    """
    places = [mirrored_indices(s, s + n, end) for s, n, end in zip(start, size, shape, strict=True)]
    pixels = read(tuple(slice(int(p.min()), int(p.max()) + 1) for p in places))
    inner = np.ix_(*(p - p.min() for p in places))
    return pixels[(..., *inner)]
