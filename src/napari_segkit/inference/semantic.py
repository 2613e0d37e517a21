"""Predict a class for every pixel: blend tile probabilities, take the most likely class."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import from_indices
from napari_segkit.images.types import AnyArray
from napari_segkit.label_result import LabelResult
from napari_segkit.tiling import Cell

from .blending import Blending, blend_frame
from .plan import TilePlan
from .postprocess import labels_from_probabilities
from .progress import Progress, TileStep
from .request import PredictRequest
from .sink import MemorySink, Sink, UncertaintySink
from .tiles import tile_probabilities
from .uncertainty import uncertainty_of


def predict_tiles(request: PredictRequest) -> Generator[TileStep, None, LabelResult]:
    """Predict class labels tile by tile, except those that the sink already has."""
    plan = request.plan
    sink: Sink = request.sink or MemorySink(keep_probabilities=request.probabilities)
    sink.start(plan)
    progress, values = Progress(plan.steps), plan.model.values
    for number, frame in enumerate(plan.frames(), start=1):
        cells = [cell for cell in plan.cells if not sink.is_finished(frame, cell)]
        if cells and plan.needs_whole_frames:
            blended = yield from blend_frame(plan, frame, progress)
            refined = yield from labels_from_probabilities(
                plan, frame, blended, progress, keep=sink.probabilities is not None
            )
            _write_uncertainty(plan, sink, frame, cells[0], blended)
            labels = _without_missing(plan, frame, cells[0], refined.labels)
            sink.write(frame, cells[0], labels, refined.probabilities)
            continue
        blending = Blending(plan.grid, cells)
        progress.done = number * plan.steps_per_frame - len(blending.tiles)
        for tiles in plan.batches(blending.tiles):
            complete = blending.add(tiles, tile_probabilities(plan, frame, tiles))
            for cell, maps in complete:
                _write_uncertainty(plan, sink, frame, cell, maps)
                labels = from_indices(maps.argmax(axis=0), values)
                sink.write(frame, cell, _without_missing(plan, frame, cell, labels), maps)
            yield progress.step(len(tiles))
    if not cells:  # the last frame was finished before
        yield progress.step(0)
    classes = plan.model.all_classes
    return LabelResult(
        sink.labels,
        plan.original.label_axes,
        classes,
        plan.provenance(),
        sink.probabilities,
        uncertainty=sink.uncertainty if isinstance(sink, UncertaintySink) else None,
    )


def _write_uncertainty(
    plan: TilePlan,
    sink: Sink,
    frame: dict[str, int],
    cell: Cell,
    probabilities: NDArray[np.float32],
) -> None:
    """Give the uncertainty of a cell to the sink, if it is asked for."""
    how = plan.settings.uncertainty
    if how and isinstance(sink, UncertaintySink):
        uncertainty = uncertainty_of(probabilities, how)
        sink.write_uncertainty(frame, cell, _without_missing(plan, frame, cell, uncertainty))


def _without_missing(
    plan: TilePlan, frame: dict[str, int], cell: Cell, values: AnyArray
) -> AnyArray:
    """Values of a cell, 0 where the image is NaN or infinite."""
    missing = plan.missing(frame, cell.region)
    return values if missing is None else np.where(missing, values.dtype.type(0), values)
