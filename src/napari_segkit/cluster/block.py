"""One task of a cluster: some cells of a frame, with all that their pixels depend on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import PredictConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.regions import Box, union
from napari_segkit.images.slices import slab_around
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.inference.local_runner import LOCAL
from napari_segkit.inference.masks import TileMasks
from napari_segkit.inference.plan import TilePlan
from napari_segkit.inference.progress import Progress
from napari_segkit.inference.semantic import predict_cells
from napari_segkit.steps import drain
from napari_segkit.tiling import Cell, Grid, Tile, mirrored_indices
from napari_segkit.trained_model import TrainedModel

from .window import window_of


@dataclass(frozen=True)
class Block:
    """Cells of a frame, and the parts of a `TilePlan` that their pixels depend on.

    The images hold only the pixels that are needed.
    """

    frame: dict[str, int]
    cells: Sequence[Cell]
    original: AxesImage
    image: AxesImage
    grid: Grid
    config: TileConfig
    statistics: Statistics
    intensities: Statistics | None
    settings: PredictConfig
    probabilities: bool


@dataclass(frozen=True)
class PredictedCell:
    """What is predicted for a cell."""

    cell: Cell
    labels: Labels
    probabilities: NDArray[np.float32] | None
    uncertainty: NDArray[np.float32] | None


def block_of(
    plan: TilePlan, frame: dict[str, int], cells: Sequence[Cell], *, probabilities: bool
) -> Block:
    """Cells of a frame with their pixels, which are read here; one cell if frames are whole."""
    box, tiles = union([cell.region for cell in cells]), [t for cell in cells for t in cell.tiles]
    has_masks = plan.model.info.has_masks
    if plan.needs_whole_frames and not has_masks:
        context = plan.context(box)
        box, tiles = context.box, list(context.cell.tiles)
    neighbours, pixels = plan.model.spec.neighbour_slices, _pixels_of(plan.grid, tiles)
    image = window_of(plan.image, *slab_around(plan.image, frame, pixels, neighbours))
    if plan.resamples and not has_masks:
        original = window_of(plan.original, frame, box)
    else:
        original = replace(plan.original, data=image.data, metadata={})
    return Block(
        frame,
        cells,
        original,
        image,
        plan.grid,
        plan.config,
        plan.statistics,
        plan.intensities,
        replace(plan.settings, precision=plan.precision),  # not that of each worker
        probabilities,
    )


def predict_block(
    block: Block, model: TrainedModel, device: torch.device
) -> list[PredictedCell] | TileMasks:
    """Predict the cells of a block; their pixels are those of the whole image.

    Parameters
    ----------
    block : Block
        What `block_of` gave.
    model : TrainedModel
        The model, on the device.
    device : torch.device
        Where the network computes.

    Returns
    -------
    list of PredictedCell or dict
        All cells of the block; of a model of object masks, those of its tiles.
    """
    plan = TilePlan(
        model,
        block.original,
        block.image,
        block.grid,
        block.config,
        device,
        block.statistics,
        block.intensities,
        block.settings,
    )
    if model.info.has_masks:
        tiles = [tile for cell in block.cells for tile in cell.tiles]
        return drain(LOCAL.tile_masks(plan, block.frame, tiles, Progress(0))) or {}
    sink = _CellSink(keep_probabilities=block.probabilities)
    drain(predict_cells(plan, block.frame, block.cells, sink, Progress(0)))
    return sink.cells


class _CellSink:
    """Holds cells as they are predicted, without an array of the whole."""

    labels: AnyArray
    probabilities: NDArray[np.float32] | None  # not None if they are to be kept
    uncertainty: NDArray[np.float32] | None = None  # of the cell that is written next

    def __init__(self, *, keep_probabilities: bool) -> None:
        self.cells: list[PredictedCell] = []
        self.labels = np.zeros(0, np.uint8)
        self.probabilities = np.zeros(0, np.float32) if keep_probabilities else None

    def start(self, plan: TilePlan) -> None:
        """Nothing is to be made ready."""

    def is_finished(self, frame: dict[str, int], cell: Cell) -> bool:
        return False

    def write_uncertainty(
        self, frame: dict[str, int], cell: Cell, uncertainty: NDArray[np.float32]
    ) -> None:
        self.uncertainty = uncertainty

    def write(
        self,
        frame: dict[str, int],
        cell: Cell,
        labels: Labels,
        probabilities: NDArray[np.float32] | None,
    ) -> None:
        maps = None if self.probabilities is None else probabilities
        self.cells.append(PredictedCell(cell, labels, maps, self.uncertainty))
        self.uncertainty = None


def _pixels_of(grid: Grid, tiles: Sequence[Tile]) -> Box:
    """The pixels that are read for some tiles, which are mirrored past the image's end."""
    axes = range(len(grid.shape))
    ends = [[(t.start[a], t.start[a] + grid.extent(t)[a]) for t in tiles] for a in axes]
    spans = [(min(s for s, _ in axis), max(e for _, e in axis)) for axis in ends]
    read = [mirrored_indices(*span, n) for span, n in zip(spans, grid.shape, strict=True)]
    return tuple([slice(int(i.min()), int(i.max()) + 1) for i in read])
