"""Predict a class for every pixel: blend tile probabilities, take the most likely class."""

from collections.abc import Generator, Sequence
from functools import partial
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import from_indices, likeliest
from napari_segkit.images.regions import Part, Region, label_box
from napari_segkit.images.types import AnyArray
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.blocks import relative_to
from napari_segkit.tiling import Cell, Tile

from . import three_axes
from .blending import Blending, blend_frame
from .columns import in_columns
from .plan import TilePlan
from .postprocess import labels_from_probabilities
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import MemorySink, ShowingSink, Sink, UncertaintySink
from .tiles import tile_probabilities
from .uncertainty import uncertainty_in


def predict_tiles(
    request: PredictRequest, runner: Runner | None = None
) -> Generator[TileStep, object, LabelResult]:
    """Predict class labels tile by tile, except those that the sink already has."""
    plan = request.plan
    sink: Sink = request.sink or MemorySink(keep_probabilities=request.probabilities)
    predict = runner.predict_plan if runner else predict_plan
    return (yield from predict(plan, sink))


def predict_plan(plan: TilePlan, sink: Sink) -> Generator[TileStep, object, LabelResult]:
    """Predict what a sink does not have of a plan."""
    sink.start(plan)
    others = three_axes.other_plans(
        plan, (frame for frame in plan.frames() if missing_cells(plan, sink, frame))
    )
    own = sum(count_steps(plan, missing_cells(plan, sink, frame)) for frame in plan.frames())
    progress = Progress(own + three_axes.count_steps(others))
    if not progress.total:  # all was predicted before
        yield TileStep(1, 1)
    yield from three_axes.predict_others(plan, others, progress)
    for frame in plan.frames():
        if progress.is_finishing:
            break
        if cells := missing_cells(plan, sink, frame):
            yield from predict_cells(plan, frame, cells, sink, progress)
    return result_of(plan, sink)


def result_of(plan: TilePlan, sink: Sink) -> LabelResult:
    """What a sink holds of a plan."""
    is_partial = any(missing_cells(plan, sink, frame) for frame in plan.frames())
    predicted = _finished(plan, sink) if is_partial else plan.region
    return LabelResult(
        sink.labels,
        plan.original.label_axes,
        plan.model.all_classes,
        plan.record(),
        sink.probabilities,
        predicted=getattr(sink, "predicted", predicted),
        uncertainty=sink.uncertainty if isinstance(sink, UncertaintySink) else None,
        is_partial=is_partial,
    )


def _finished(plan: TilePlan, sink: Sink) -> Region:
    """Where there are results of a plan that was ended early."""
    axes, region, parts = plan.original.label_axes, plan.region, []
    for frame in plan.frames():
        for cell in filter(partial(sink.is_finished, frame), plan.cells_of(frame)):
            box = label_box(axes, frame, cell.region)
            parts.append(Part(box, None if region is None else region.within(box)))
    return Region(axes, plan.original.label_shape, tuple(parts))


def missing_cells(plan: TilePlan, sink: Sink, frame: dict[str, int]) -> list[Cell]:
    """Cells of a frame that are asked for and not predicted yet."""
    return [cell for cell in plan.cells_of(frame) if not sink.is_finished(frame, cell)]


def count_steps(plan: TilePlan, cells: Sequence[Cell]) -> int:
    """Number of steps for some cells of a frame."""
    if plan.needs_whole_frames:
        return sum(plan.context(cell.region).steps for cell in cells)
    columns = in_columns(plan, cells) if cells else []
    return sum(len({tile.start for cell in c for tile in cell.tiles}) for c in columns)


def predict_cells(
    plan: TilePlan, frame: dict[str, int], cells: Sequence[Cell], sink: Sink, progress: Progress
) -> Generator[TileStep, object, None]:
    """Predict cells of a frame and write them."""
    if not plan.needs_whole_frames:
        yield from _blended_cells(plan, frame, cells, sink, progress)
        return
    for cell in cells:
        yield from _refined_cell(plan, frame, cell, sink, progress)
        if progress.is_finishing:
            return


def _blended_cells(
    plan: TilePlan, frame: dict[str, int], cells: Sequence[Cell], sink: Sink, progress: Progress
) -> Generator[TileStep, object, None]:
    """Predict cells of a frame; each is written when its tiles are blended, the middle first."""
    columns = in_columns(plan, cells)
    middle = plan.middle(frame) if len(columns) == 1 else None
    for column in columns:
        yield from _blended_column(plan, frame, Blending(plan.grid, column, middle), sink, progress)
        if progress.is_finishing:
            return


def _blended_column(
    plan: TilePlan, frame: dict[str, int], blending: Blending, sink: Sink, progress: Progress
) -> Generator[TileStep, object, None]:
    for tiles in plan.batches(blending.tiles):
        outputs = tile_probabilities(plan, frame, tiles)
        _show(plan, frame, sink, tiles, outputs)
        for cell, along_z in blending.add(tiles, outputs):
            maps = plan.mean_of_axes(frame, cell.region, along_z)
            _write_uncertainty(plan, frame, cell, sink, maps)
            labels = from_indices(likeliest(maps), plan.model.values)
            write_cell(plan, frame, cell, sink, labels, maps)
        progress.heed((yield progress.step(len(tiles))))
        if progress.is_finishing:
            return


def _refined_cell(
    plan: TilePlan, frame: dict[str, int], cell: Cell, sink: Sink, progress: Progress
) -> Generator[TileStep, object, None]:
    """Predict a frame, or a block, whose pixels depend on all tiles around them."""
    context = plan.context(cell.region)
    shows = _is_looked_at(sink) and not plan.resamples
    show = partial(_show, plan, frame, sink) if shows else None
    blended = yield from blend_frame(plan, frame, context, progress, show)
    if blended is None:
        return
    refined = yield from labels_from_probabilities(
        plan, frame, context, blended, progress, keep=sink.probabilities is not None
    )
    own = relative_to(cell.region, context.box)
    maps = refined.probabilities
    maps = None if maps is None else maps[(slice(None), *own)]
    _write_uncertainty(plan, frame, cell, sink, blended[(slice(None), *own)])
    write_cell(plan, frame, cell, sink, refined.labels[own], maps)


def _is_looked_at(sink: Sink) -> TypeGuard[ShowingSink]:
    return isinstance(sink, ShowingSink) and sink.shown is not None


def _show(
    plan: TilePlan,
    frame: dict[str, int],
    sink: Sink,
    tiles: Sequence[Tile],
    outputs: NDArray[np.float32],
) -> None:
    """Give the labels of single tiles to a sink that a person looks at."""
    if not _is_looked_at(sink):
        return
    for tile, output in zip(tiles, outputs, strict=True):
        inside = [slice(0, side.stop - side.start) for side in tile.region]
        labels = from_indices(likeliest(output[(slice(None), *inside)]), plan.model.values)
        sink.write_tile(frame, tile.region, without_missing(plan, frame, tile.region, labels))


def _write_uncertainty(
    plan: TilePlan, frame: dict[str, int], cell: Cell, sink: Sink, maps: NDArray[np.float32]
) -> None:
    """Write the uncertainty of a cell, if it is asked for, from what the network gives."""
    how = plan.settings.uncertainty
    if how and isinstance(sink, UncertaintySink):
        uncertainty = uncertainty_in(plan, frame, cell.region, maps, how)
        sink.write_uncertainty(frame, cell, uncertainty)


def write_cell(
    plan: TilePlan,
    frame: dict[str, int],
    cell: Cell,
    sink: Sink,
    labels: AnyArray,
    maps: NDArray[np.float32] | None,
) -> None:
    """Write a cell: 0 where the image is NaN or infinite, and where nothing is asked for."""
    labels = without_missing(plan, frame, cell.region, labels)
    if (outside := plan.outside(frame, cell.region)) is not None:
        labels = np.where(outside, labels.dtype.type(0), labels)
        maps = None if maps is None else np.where(outside, np.float32(0), maps)
    sink.write(frame, cell, labels, maps)


def without_missing(
    plan: TilePlan, frame: dict[str, int], region: Sequence[slice], labels: AnyArray
) -> AnyArray:
    """Labels of a region of a frame, 0 where the image is NaN or infinite."""
    missing = plan.missing(frame, region)
    return labels if missing is None else np.where(missing, labels.dtype.type(0), labels)
