"""What is computed for a part of a frame: more around it, where its pixels depend on that."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, pi

from napari_segkit.config import CleanConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.regions import Box
from napari_segkit.instances.block_objects import STRIP
from napari_segkit.refinement.blocks import add_margin
from napari_segkit.refinement.smooth import smoothing_method
from napari_segkit.tiling import Cell, Grid
from napari_segkit.trained_model import TrainedModel

OBJECT_MARGIN = 3  # typical diameters around a region, where a watershed separates objects
PIECE_MARGIN = 2  # diameters of a disc or ball as large as the largest hole or piece that goes


@dataclass(frozen=True)
class Context:
    """What is computed for a box of a frame."""

    box: Box  # in pixels of the original image
    blocks: Sequence[Box]  # of it that are smoothed one by one, counted from its first pixel
    cell: Cell  # the same box in the grid, with the tiles that overlap it
    steps: int  # tiles and blocks


def context_of(
    model: TrainedModel, original: AxesImage, image: AxesImage, grid: Grid, box: Box
) -> Context:
    """What is computed for a box of a frame of the original image.

    `image` is the image in the size or voxel size of the training, which `grid` divides.
    """
    shape = original.spatial_shape(model.ndim)
    grown, _ = add_margin(box, _margin(model, original, image, grid), shape)
    refines = bool(model.refine.smoother or model.refine.clean)
    blocks: Sequence[Box] = []
    if refines and not model.info.has_masks:
        ndim = model.ndim if original.length("Z") > 1 else 2
        method = smoothing_method(model.refine.smoother, original.spacing[-ndim:])
        smoothed, blocks = method.context(grown[-ndim:], shape[-ndim:])
        grown = (*grown[:-ndim], *smoothed)
    cell = _grid_cell(grid, shape, grown)
    steps = refines if model.info.has_masks else len(blocks)
    return Context(grown, blocks, cell, len(cell.tiles) + steps)


def _margin(
    model: TrainedModel, original: AxesImage, image: AxesImage, grid: Grid
) -> Sequence[int]:
    """Pixels of the original image around a box that its objects or its clean-up depend on."""
    shape, spacing = original.spatial_shape(model.ndim), original.spacing[-model.ndim :]
    if model.info.has_masks:
        scales = zip(grid.overlap, shape, grid.shape, strict=True)
        return [ceil(overlap * n / m) for overlap, n, m in scales]
    if model.predicts_objects:
        size = model.object_size * min(image.spacing[-model.ndim :])
        return [max(ceil(OBJECT_MARGIN * size / s), STRIP) for s in spacing]
    steps = model.refine.clean
    if any(step.largest for step in steps):
        return shape
    reach = sum(_reach(step, model.ndim) for step in steps)
    refines = bool(model.refine.smoother or steps)
    return [max(ceil(reach / s), int(refines)) for s in spacing]


def _reach(step: CleanConfig, ndim: int) -> float:
    """How far a clean-up step looks, in world units."""
    size = max(step.fill_holes, step.min_size)
    diameter = 2 * (size / pi) ** 0.5 if ndim == 2 else 2 * (size * 3 / (4 * pi)) ** (1 / 3)
    return 2 * (step.open + step.close) + PIECE_MARGIN * diameter


def _grid_cell(grid: Grid, shape: tuple[int, ...], box: Box) -> Cell:
    """A box of a frame of this shape in the grid, with the tiles that overlap it."""
    if grid.shape != shape:
        axes = zip(box, shape, grid.shape, strict=True)
        box = tuple([_scaled(side, n, m) for side, n, m in axes])
    return Cell(box, tuple(grid.tiles_in(box)))


def _scaled(side: slice, length: int, new_length: int) -> slice:
    """A range along an axis that is resampled, with the pixels that interpolation reaches."""
    scale = new_length / length
    reach = 2 + ceil(2 * scale)
    start, stop = floor(side.start * scale) - reach, ceil(side.stop * scale) + reach
    return slice(max(0, start), min(new_length, stop))
