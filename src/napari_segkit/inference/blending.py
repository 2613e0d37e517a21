"""Blend the overlapping tiles of a frame, holding only the parts that are not complete yet."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.resample import resize_linear
from napari_segkit.tiling import Cell, Grid, Tile

from .context import Context
from .plan import TilePlan
from .progress import Progress, TileStep
from .tiles import tile_probabilities

Show: TypeAlias = Callable[[Sequence[Tile], NDArray[np.float32]], None]


class Blending:
    """Weighted sums of tiles in the cells that are wanted; a cell is freed when complete.

    `tiles` are those that the cells need, in the order of the grid or, with a `middle`, those next
    to it first. The tiles of a cell are added in the order of the grid, whatever comes first: its
    sums are the same to the last bit.
    """

    def __init__(
        self, grid: Grid, cells: Iterable[Cell], middle: Sequence[float] | None = None
    ) -> None:
        self._grid = grid
        self._cells: dict[tuple[int, ...], list[Cell]] = defaultdict(list)  # by start of tile
        for cell in cells:
            for tile in cell.tiles:
                self._cells[tile.start].append(cell)
        self.tiles = [tile for tile in grid if tile.start in self._cells]
        if middle is not None:
            self.tiles.sort(key=lambda tile: _distance(tile, grid.size, middle))
        self._sums: dict[tuple[int, ...], NDArray[np.float32]] = {}
        self._added: dict[tuple[int, ...], int] = defaultdict(int)  # tiles of a cell
        self._waiting: dict[tuple[int, ...], dict[tuple[int, ...], NDArray[np.float32]]] = (
            defaultdict(dict)
        )

    def add(
        self, tiles: Sequence[Tile], outputs: NDArray[np.float32]
    ) -> list[tuple[Cell, NDArray[np.float32]]]:
        """Add outputs of tiles; return the cells that they complete, ``(outputs, *cell)``."""
        complete = []
        for tile, output in zip(tiles, outputs, strict=True):
            for cell in self._cells[tile.start]:
                self._waiting[cell.start][tile.start] = output
                if self._add_waiting(cell):
                    complete.append((cell, self._sums.pop(cell.start)))
        return complete

    def _add_waiting(self, cell: Cell) -> bool:
        """Add the tiles of a cell whose turn it is; return whether it is complete."""
        waiting = self._waiting[cell.start]
        for tile in cell.tiles[self._added[cell.start] :]:
            if tile.start not in waiting:
                return False
            self._add_to_cell(cell, tile, waiting.pop(tile.start))
            self._added[cell.start] += 1
        return True

    def _add_to_cell(self, cell: Cell, tile: Tile, output: NDArray[np.float32]) -> None:
        shared = [
            slice(max(c.start, t.start), min(c.stop, t.stop))
            for c, t in zip(cell.region, tile.region, strict=True)
        ]
        inside, part = _relative(shared, cell.start), _relative(shared, tile.start)
        weighted = output[(slice(None), *part)] * self._grid.weights(tile, part)
        sums = self._sums.get(cell.start)
        lengths = self._room(cell, tile, inside)
        if sums is None and weighted.shape[1:] == lengths:
            self._sums[cell.start] = weighted
            return
        if sums is None or sums.shape[1:] != lengths:
            sums = self._sums[cell.start] = _grown(sums, (len(weighted), *lengths))
        target = sums[(slice(None), *inside)]
        target += weighted

    def _room(self, cell: Cell, tile: Tile, inside: Sequence[slice]) -> tuple[int, ...]:
        """Edges of the sums of a cell with another tile: its first tiles reach only a part of it.

        Rows of cells that wait for the next row of tiles hold no more than their overlap with it.
        """
        lengths = tuple([side.stop - side.start for side in cell.region])
        if tile is cell.tiles[-1] or len(cell.tiles) > 2 ** len(lengths):
            return lengths
        sums = self._sums.get(cell.start)
        known = [0] * len(lengths) if sums is None else sums.shape[1:]
        return tuple([max(n, side.stop) for n, side in zip(known, inside, strict=True)])


def blend_frame(
    plan: TilePlan,
    frame: dict[str, int],
    context: Context,
    progress: Progress,
    show: Show | None = None,
) -> Generator[TileStep, object, NDArray[np.float32] | None]:
    """Predict the box of a context: ``(outputs, *box)`` in pixels of the original image.

    None if the prediction is ended before. `show` gets the outputs of each batch of tiles, the
    middle first.
    """
    middle = None if show is None else plan.middle(frame)  # the tiles before it are then held
    blending = Blending(plan.grid, [context.cell], middle)
    for tiles in plan.batches(blending.tiles):
        outputs = tile_probabilities(plan, frame, tiles)
        if show is not None:
            show(tiles, outputs)
        complete = blending.add(tiles, outputs)
        progress.heed((yield progress.step(len(tiles))))
        if progress.is_finishing and not complete:
            return None
    ((_, blended),) = complete
    if plan.resamples:
        blended = _resized(plan, context, blended)
    return plan.mean_of_axes(frame, context.box, blended)


def _resized(plan: TilePlan, context: Context, blended: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box of a context in pixels of the original image, as if all of the frame was known."""
    whole = np.zeros((len(blended), *plan.grid.shape), np.float32)
    whole[(slice(None), *context.cell.region)] = blended
    resized = resize_linear(whole, (len(blended), *plan.frame_shape))
    return resized[(slice(None), *context.box)]


def _distance(tile: Tile, size: Sequence[int], middle: Sequence[float]) -> float:
    """From the centre of a tile to a point, squared."""
    pairs = zip(tile.start, size, middle, strict=True)
    return sum((start + length / 2 - at) ** 2 for start, length, at in pairs)


def _grown(sums: NDArray[np.float32] | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Sums with 0 where there were none."""
    grown = np.zeros(shape, np.float32)
    if sums is not None:
        grown[tuple([slice(n) for n in sums.shape])] = sums
    return grown


def _relative(region: Sequence[slice], start: Sequence[int]) -> list[slice]:
    """A region counted from another first pixel."""
    return [slice(r.start - s, r.stop - s) for r, s in zip(region, start, strict=True)]
