"""The cells of an image that are predicted one by one, in the order in which they are looked at."""

from collections import OrderedDict
from collections.abc import Generator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import from_indices, likeliest
from napari_segkit.images.regions import Box, label_box, lengths
from napari_segkit.images.types import Labels
from napari_segkit.tiling import Cell, Tile

from .blending import Blending
from .plan import TilePlan
from .semantic import without_missing
from .tiles import tile_probabilities

BLOCK = 6  # cells along an edge of a block, which are predicted together: they share tiles
KEPT_BYTES = 2**28  # of the outputs of tiles: a block and its neighbours in most models


class Place(NamedTuple):
    """Where a cell is: the indices of its frame, and its number along each spatial axis."""

    frame: tuple[int, ...]
    cell: tuple[int, ...]


class LevelCells:
    """The cells of one level of an image, and which of them are predicted.

    The outputs of the last tiles are kept, for the cells beside those that needed them first.
    """

    def __init__(self, plan: TilePlan) -> None:
        self.plan, self._axes = plan, plan.original.label_axes
        spatial = SPATIAL[-plan.model.ndim :]
        self._frame_axes = [a for a in self._axes if a not in spatial]
        self._sides = [plan.grid.cells_along(axis) for axis in range(len(spatial))]
        self._starts = [np.array([side.start for side, _ in sides]) for sides in self._sides]
        self._finished: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        self._outputs: OrderedDict[tuple[int, ...], NDArray[np.float32]] = OrderedDict()

    def count(self, box: Box) -> int:
        """How many cells a box touches."""
        frames, sides = self._divided(box)
        return len(frames) * int(np.prod([stop - start for start, stop in sides]))

    def work(self, box: Box) -> float:
        """How many whole tiles have as many pixels as those that the cells in a box need."""
        frames, sides = self._divided(box)
        grid, work = self.plan.grid, float(len(frames))
        for axis, (first, stop) in enumerate(sides):
            starts = self._starts[axis][max(0, first - 1) : stop]
            work *= np.minimum(1, (grid.shape[axis] - starts) / grid.size[axis]).sum()
        return work

    def missing(self, box: Box) -> list[Place]:
        """The cells in a box that are not predicted: frame by frame, the middle first."""
        frames, sides = self._divided(box)
        inner = tuple([slice(start, stop) for start, stop in sides])
        found = []
        for frame in frames:
            first = np.array([start for start, _ in sides], np.intp)
            cells = np.argwhere(~self._finished_in(frame)[inner]) + first
            order = self._order(cells, self._spatial(box))
            found += [Place(frame, tuple(cell)) for cell in cells[order].tolist()]
        return found

    def cell(self, place: Place) -> Cell:
        """A cell with the tiles that it depends on."""
        sides = [along[n] for along, n in zip(self._sides, place.cell, strict=True)]
        region = tuple([side for side, _ in sides])
        starts = product(*[starts for _, starts in sides])
        return Cell(region, tuple(map(self.plan.grid.tile, starts)))

    def box(self, place: Place) -> Box:
        """The pixels of a cell, along the axes of the labels."""
        return label_box(self._axes, self._frame(place.frame), self.cell(place).region)

    def predict(self, place: Place) -> Generator[tuple[Box, Labels], None, Labels]:
        """Predict the labels of a cell; yields those of its single tiles before."""
        frame, cell = self._frame(place.frame), self.cell(place)
        middle = [(side.start + side.stop) / 2 for side in cell.region]
        blending = Blending(self.plan.grid, [cell], middle)  # the tile around it comes first
        new = [t for t in blending.tiles if (*place.frame, *t.start) not in self._outputs]
        for tiles in self.plan.batches(new):
            outputs = tile_probabilities(self.plan, frame, tiles)
            for tile, output in zip(tiles, outputs, strict=True):
                self._outputs[(*place.frame, *tile.start)] = output
                yield label_box(self._axes, frame, tile.region), self._tile_labels(frame, tile)
        maps = self._blended(place, cell, blending)
        self._forget_outputs()
        return self._as_labels(frame, cell.region, maps)

    def finish(self, place: Place) -> None:
        """Note that the labels of a cell are kept."""
        self._finished_in(place.frame)[place.cell] = True

    def _blended(self, place: Place, cell: Cell, blending: Blending) -> NDArray[np.float32]:
        for tile in cell.tiles:
            key = (*place.frame, *tile.start)
            self._outputs.move_to_end(key)
            complete = blending.add([tile], self._outputs[key][None])
        ((_, maps),) = complete
        return maps

    def _tile_labels(self, frame: dict[str, int], tile: Tile) -> Labels:
        inside = [slice(0, side.stop - side.start) for side in tile.region]
        output = self._outputs[(*frame.values(), *tile.start)]
        return self._as_labels(frame, tile.region, output[(slice(None), *inside)])

    def _as_labels(
        self, frame: dict[str, int], region: Sequence[slice], maps: NDArray[np.float32]
    ) -> Labels:
        """The labels of a region of a frame, along the axes of the labels of the image."""
        values = from_indices(likeliest(maps), self.plan.model.values)
        values = without_missing(self.plan, frame, region, values)
        shape = lengths(label_box(self._axes, frame, region))
        labels = np.empty(shape, values.dtype)
        AxesImage(labels, self._axes).write(labels, dict.fromkeys(frame, 0), values)
        return labels

    def _forget_outputs(self) -> None:
        """Keep the outputs of the last tiles only."""
        size = sum(output.nbytes for output in self._outputs.values())
        while size > KEPT_BYTES:
            size -= self._outputs.popitem(last=False)[1].nbytes

    def _frame(self, indices: tuple[int, ...]) -> dict[str, int]:
        return dict(zip(self._frame_axes, indices, strict=True))

    def _finished_in(self, frame: tuple[int, ...]) -> NDArray[np.bool_]:
        if frame not in self._finished:
            self._finished[frame] = np.zeros([len(sides) for sides in self._sides], bool)
        return self._finished[frame]

    def _divided(self, box: Box) -> tuple[list[tuple[int, ...]], list[tuple[int, int]]]:
        """The frames in a box, and the first and last cell, this one excluded, along each axis."""
        named = dict(zip(self._axes, box, strict=True))
        ranges = [range(named[a].start, named[a].stop) for a in self._frame_axes]
        sides = [
            (
                int(np.searchsorted(starts, side.start, side="right")) - 1,
                int(np.searchsorted(starts, side.stop)),
            )
            for starts, side in zip(self._starts, self._spatial(box), strict=True)
        ]
        return list(product(*ranges)), sides

    def _spatial(self, box: Box) -> list[slice]:
        named = dict(zip(self._axes, box, strict=True))
        return [named.get(a, slice(0, 1)) for a in SPATIAL[-self.plan.model.ndim :]]

    def _order(self, cells: NDArray[np.intp], box: Sequence[slice]) -> NDArray[np.intp]:
        """Block after block, that in the middle of a box first, and in each the middle first."""
        starts = [along[n] for along, n in zip(self._starts, cells.T, strict=True)]
        middle = [(side.start + side.stop) / 2 for side in box]
        sides = zip(starts, self.plan.grid.steps, middle, strict=True)
        offset = np.stack([(start + step / 2 - at) / step for start, step, at in sides])
        block = np.round(offset / BLOCK)
        return np.lexsort([(offset**2).sum(0), *block, (block**2).sum(0)])
