"""Geometry of tiles: their grid, their blending weights and their size.

The grid starts at the image's origin: any part of an image is predicted from the same tiles.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product
from math import ceil
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

TILE = {2: 256, 3: 64}  # by dimensions; edge of a patch in training, unless one is set
LARGE_TILE = {2: 512, 3: 96}  # of a tile in prediction
OVERLAP = {2: 128, 3: 24}  # of these
LONG_TILES_FROM = {2: 128, 3: 64}  # edge of the patches that a network can use them with
PIXEL_TILE = {2: 1024, 3: 256}  # edge of a tile of the pixel classifier, at most
ALIKE = 1.1  # ratio of spacings that count as equal
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True)
class Tile:
    """One tile of a grid."""

    start: tuple[int, ...]
    region: tuple[slice, ...]  # the part of the image it covers


@dataclass(frozen=True)
class Cell:
    """A part of an image that is complete when its tiles are predicted."""

    region: tuple[slice, ...]
    tiles: tuple[Tile, ...]  # that overlap it, in the order of the grid

    @property
    def start(self) -> tuple[int, ...]:
        """First pixel along each axis; no other cell has the same."""
        return tuple([axis.start for axis in self.region])


@dataclass(frozen=True)
class Grid:
    """Tiles that cover an image, along its spatial axes; lengths in pixels."""

    shape: tuple[int, ...]
    size: tuple[int, ...]
    overlap: tuple[int, ...]  # at most half a tile
    blended: bool = True  # a whole last tile then extends past the image's end
    strides: tuple[int, ...] = ()  # the last tile is cut to a multiple of these; (): it is whole

    def __len__(self) -> int:
        return int(np.prod([len(self.starts(axis)) for axis in range(len(self.shape))]))

    def starts(self, axis: int) -> range:
        """First pixels of the tiles along an axis.

        If whole tiles are blended, the last one extends a quarter of the overlap or more past the
        image's end, so that the mirrored pixels beyond it look the same to every tile. Tiles that
        are cut all end there.
        """
        step = self.steps[axis]
        beyond = margin(self.overlap[axis]) if self.blended and not self.strides else 0
        last = self.shape[axis] + beyond - self.size[axis]
        return range(0, step * max(0, ceil(last / step)) + 1, step)

    @property
    def steps(self) -> tuple[int, ...]:
        """Pixels between the starts of tiles along each axis."""
        return tuple([n - o for n, o in zip(self.size, self.overlap, strict=True)])

    def __iter__(self) -> Iterator[Tile]:
        return map(self.tile, product(*map(self.starts, range(len(self.shape)))))

    def tile(self, start: tuple[int, ...]) -> Tile:
        """The tile that begins at a pixel."""
        spans = zip(start, self.size, self.shape, strict=True)
        return Tile(start, tuple([slice(s, min(s + n, end)) for s, n, end in spans]))

    def extent(self, tile: Tile) -> tuple[int, ...]:
        """Edges of what is read for a tile: a whole one, or one cut past the image's end."""
        if not self.strides:
            return self.size
        lengths = [side.stop - side.start for side in tile.region]
        cut = tile_shape(lengths, lengths, self.strides)
        return tuple(min(pair) for pair in zip(self.size, cut, strict=True))

    def tiles_in(self, box: Sequence[slice]) -> Iterator[Tile]:
        """The tiles that overlap a box."""
        sides = zip(map(self.starts, range(len(box))), box, self.size, strict=True)
        starts = [[s for s in all_ if s < b.stop and b.start < s + n] for all_, b, n in sides]
        return map(self.tile, product(*starts))

    def single_cell(self) -> Cell:
        """The image as one cell."""
        return Cell(tuple([slice(0, n) for n in self.shape]), tuple(self))

    def cells(self) -> list[Cell]:
        """Cells that divide the image at the starts of the tiles; each pixel is in one of them."""
        tiles = {tile.start: tile for tile in self}
        axes = map(self.cells_along, range(len(self.shape)))
        return [
            Cell(region, tuple([tiles[start] for start in product(*starts)]))
            for region, starts in (zip(*parts, strict=True) for parts in product(*axes))
        ]

    def cells_along(self, axis: int) -> list[tuple[slice, list[int]]]:
        """Extent of each cell along an axis, and the starts of the tiles that overlap it."""
        starts, size = self.starts(axis), self.size[axis]
        return [
            (slice(start, stop), [s for s in (start - starts.step, start) if 0 <= s > start - size])
            for start, stop in zip(starts, [*starts[1:], self.shape[axis]], strict=True)
        ]

    def weights(self, tile: Tile, part: Sequence[slice] | None = None) -> NDArray[np.float32]:
        """Blending weights of the pixels of ``tile.region``; they sum to 1 over all tiles.

        Those of a part of it are asked for by its pixels, counted from the first of the tile.
        """
        sides = part or [slice(None)] * len(tile.start)
        along = [_axis_weights(self, axis, start) for axis, start in enumerate(tile.start)]
        return reduce(np.multiply.outer, [w[s] for w, s in zip(along, sides, strict=True)])


@dataclass(frozen=True)
class Tiling:
    """Tiles for frames of any shape; lengths in pixels along the spatial axes."""

    size: tuple[int, ...]
    overlap: tuple[int, ...]
    strides: tuple[int, ...] = ()  # as in `Grid`

    def grid(self, shape: Sequence[int]) -> Grid:
        """The tiles of a frame."""
        return Grid(tuple(shape), self.size, self.overlap, strides=self.strides)

    def largest(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Edges of the largest tile of a frame."""
        grid = self.grid(shape)
        return grid.extent(next(iter(grid)))


@lru_cache(maxsize=1024)
def _axis_weights(grid: Grid, axis: int, start: int) -> NDArray[np.float32]:
    size, overlap, end = grid.size[axis], grid.overlap[axis], grid.shape[axis]
    position = np.arange(min(size, end - start))
    weights = np.ones(len(position), np.float32)
    if start != 0:
        weights *= ramp_weight(position, overlap)
    if start != grid.starts(axis)[-1]:
        weights *= 1 - ramp_weight(position - (size - overlap), overlap)
    return weights


def margin(overlap: int) -> int:
    """Outer pixels of an overlap that get no weight: a quarter of it."""
    return overlap // 4


def ramp_weight(position: NDArray[np.integer], overlap: int) -> NDArray[np.float32]:
    """Weight by position in an overlap: 0 in its margin, a linear ramp over half of it, then 1."""
    width = overlap - 2 * margin(overlap)
    if width == 0:
        return (position >= 0).astype(np.float32)
    return ((position - margin(overlap) + 0.5) / width).clip(0, 1).astype(np.float32)


def mirrored_indices(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices from `start` to `stop` into an axis that is mirrored at its ends."""
    if length == 1:
        return np.zeros(stop - start, np.intp)
    period = 2 * (length - 1)
    position = np.abs(np.arange(start, stop)) % period
    return np.minimum(position, period - position)


def are_alike(spacing: Sequence[float]) -> bool:
    """Whether pixels are about as long along all of these axes."""
    return bool(max(spacing) < ALIKE * min(spacing))


def round_up(length: int, stride: int) -> int:
    """The next multiple of `stride`."""
    return ceil(length / stride) * stride


def length_per_axis(length: int, strides: Sequence[int]) -> list[int]:
    """A length for each axis, in proportion to the network's stride along it."""
    return [round(length * stride / max(strides)) for stride in strides]


def tile_shape(
    requested: Sequence[int], lengths: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...]:
    """Requested tile shape as multiples of the strides, two or more of them for the overlap.

    One stride along Z is enough for a stack (image of shape `lengths`) that is thinner.
    """
    thin = [len(strides) == 3 and axis == 0 for axis in range(len(strides))]
    return tuple(
        round_up(max(edge, step if z and length <= step else 2 * step), step)
        for edge, length, step, z in zip(requested, lengths, strides, thin, strict=True)
    )


def tile_shape_from_size(
    size: int, lengths: Sequence[int], strides: Sequence[int]
) -> tuple[int, ...]:
    """Tile shape from one size for all axes, no larger than an image of shape `lengths` needs."""
    requested = [
        min(edge, ceil(length * 8 / 7))
        for edge, length in zip(length_per_axis(size, strides), lengths, strict=True)
    ]
    return tile_shape(requested, lengths, strides)


def fit_to_stride(size: int, overlap: int, stride: int) -> tuple[int, int]:
    """Tile size and overlap rounded up to multiples of the stride, the overlap to half a tile."""
    size = round_up(size, stride)
    if 2 * overlap > size:
        raise ValueError(
            f"The overlap of {overlap} pixels is more than half of the tile of {size}: give a "
            "larger tile_size or a smaller overlap."
        )
    return size, min(round_up(overlap, stride), size // 2 // stride * stride)


def read_mirrored(
    read: Callable[[tuple[slice, ...]], NDArray[Pixel]],
    start: Sequence[int],
    size: Sequence[int],
    shape: Sequence[int],
) -> NDArray[Pixel]:
    """Read a window (..., *size) that may extend past an image of shape `shape`, mirrored there.

    `read` gets slices within the image, and only those that the window needs.
    """
    spans = list(zip(start, size, shape, strict=True))
    if all(0 <= s <= s + n <= end for s, n, end in spans):
        return read(tuple([slice(s, s + n) for s, n, _ in spans])).copy()
    indices = [mirrored_indices(s, s + n, end) for s, n, end in spans]
    pixels = read(tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices))
    inner = np.ix_(*(i - i.min() for i in indices))
    return pixels[(..., *inner)]
