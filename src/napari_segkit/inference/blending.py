"""Blend the overlapping tiles of a frame, holding only the parts that are not complete yet."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.resample import resize_linear
from napari_segkit.tiling import Cell, Grid, Tile

from .plan import TilePlan
from .progress import Progress, TileStep
from .tiles import tile_probabilities


class Blending:
    """Weighted sums of tiles in the cells that are wanted; a cell is freed when complete.

    `tiles` are those that the cells need, in the order of the grid: the last tile of a cell, at
    its start, completes it.
    """

    def __init__(self, grid: Grid, cells: Iterable[Cell]) -> None:
        self._grid = grid
        self._cells: dict[tuple[int, ...], list[Cell]] = defaultdict(list)  # by start of tile
        for cell in cells:
            for tile in cell.tiles:
                self._cells[tile.start].append(cell)
        self.tiles = [tile for tile in grid if tile.start in self._cells]
        self._sums: dict[tuple[int, ...], NDArray[np.float32]] = {}

    def add(
        self, tiles: Sequence[Tile], outputs: NDArray[np.float32]
    ) -> list[tuple[Cell, NDArray[np.float32]]]:
        """Add outputs of tiles; return the cells that they complete, ``(outputs, *cell)``."""
        complete = []
        for tile, output in zip(tiles, outputs, strict=True):
            inside = tuple([slice(0, axis.stop - axis.start) for axis in tile.region])
            weighted = output[(slice(None), *inside)] * self._grid.weights(tile)
            for cell in self._cells[tile.start]:
                self._add_to_cell(cell, tile, weighted)
                if tile == cell.tiles[-1]:
                    complete.append((cell, self._sums.pop(cell.start)))
        return complete

    def _add_to_cell(self, cell: Cell, tile: Tile, weighted: NDArray[np.float32]) -> None:
        if cell.start not in self._sums:
            shape = [axis.stop - axis.start for axis in cell.region]
            self._sums[cell.start] = np.zeros((len(weighted), *shape), np.float32)
        shared = [
            slice(max(c.start, t.start), min(c.stop, t.stop))
            for c, t in zip(cell.region, tile.region, strict=True)
        ]
        target = self._sums[cell.start][(slice(None), *_relative(shared, cell.start))]
        target += weighted[(slice(None), *_relative(shared, tile.start))]


def blend_frame(
    plan: TilePlan, frame: dict[str, int], progress: Progress
) -> Generator[TileStep, object, NDArray[np.float32] | None]:
    """Predict all tiles of a frame: ``(outputs, *spatial)`` in pixels of the original image.

    None if the prediction is ended before.
    """
    blending = Blending(plan.grid, [plan.grid.single_cell()])
    for tiles in plan.batches(blending.tiles):
        complete = blending.add(tiles, tile_probabilities(plan, frame, tiles))
        progress.heed((yield progress.step(len(tiles))))
        if progress.is_finishing and not complete:
            return None
    ((_, blended),) = complete
    return resize_linear(blended, (len(blended), *plan.frame_shape))


def _relative(region: Sequence[slice], start: Sequence[int]) -> list[slice]:
    """A region counted from another first pixel."""
    return [slice(r.start - s, r.stop - s) for r, s in zip(region, start, strict=True)]
