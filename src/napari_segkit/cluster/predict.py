"""Predict an image on the workers of a cluster, with the same pixels as here."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import ClusterConfig
from napari_segkit.inference.plan import TilePlan
from napari_segkit.inference.progress import Progress, TileStep
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import count_steps, missing_cells, result_of, write_cell
from napari_segkit.inference.sink import MemorySink, Sink, UncertaintySink
from napari_segkit.label_result import LabelResult

from .block import PredictedCell
from .connection import connected, slots
from .divide import blocks_of
from .tasks import Part, Tasks

if TYPE_CHECKING:
    from distributed import Client

UNKNOWN = 4  # workers that are divided for while there are none


def predict_tiles(
    request: PredictRequest, config: ClusterConfig
) -> Generator[TileStep, object, LabelResult]:
    """Predict class labels block by block, except those that the sink already has.

    Parameters
    ----------
    request : PredictRequest
        As for a prediction on this machine; the workers choose their devices themselves.
    config : ClusterConfig
        The scheduler.

    Yields
    ------
    TileStep
        Progress after each block; also while none is ready, so that it can be stopped.

    Returns
    -------
    LabelResult
        The same labels as on this machine.
    """
    if request.model.predicts_objects:
        raise ValueError(
            "This model predicts objects, which a cluster does not join at the edges of its "
            "blocks: leave scheduler out."
        )
    if request.config.three_axes:
        raise ValueError(
            "three_axes=True needs the whole volume in one place, which a cluster divides into "
            "blocks: leave one of them out."
        )
    with connected(config) as client:
        plan = request.plan
        sink: Sink = request.sink or MemorySink(keep_probabilities=request.probabilities)
        sink.start(plan)
        tasks = Tasks(client, config, plan.model)
        yield from _predict_parts(plan, sink, tasks, _parts(plan, sink, client))
    result = result_of(plan, sink)
    return replace(result, provenance={**result.provenance, "cluster": tasks.record()})


def _parts(plan: TilePlan, sink: Sink, client: "Client") -> list[Part]:
    """What is missing, in blocks."""
    missing = [(frame, missing_cells(plan, sink, frame)) for frame in plan.frames()]
    frames, workers = len(missing), sum(slots(client)[0].values()) or UNKNOWN
    keeps = sink.probabilities is not None
    return [
        Part(frame, block)
        for frame, cells in missing
        for block in blocks_of(plan, cells, frames, workers, probabilities=keeps)
    ]


def _predict_parts(
    plan: TilePlan, sink: Sink, tasks: Tasks, parts: Sequence[Part]
) -> Generator[TileStep, object, None]:
    progress = Progress(sum(count_steps(plan, cells) for _, cells in parts))
    if not progress.total:  # all was predicted before
        yield TileStep(1, 1)
    waiting = iter(parts)
    with tasks:
        while not progress.is_finishing:
            _submit(plan, sink, tasks, waiting)
            if not len(tasks):
                break
            done = 0
            for (frame, cells), predicted in tasks.completed():
                for cell in predicted:
                    _write(plan, frame, cell, sink)
                done += count_steps(plan, cells)
            progress.heed((yield progress.step(done)))


def _submit(plan: TilePlan, sink: Sink, tasks: Tasks, waiting: Iterator[Part]) -> None:
    """Give the workers as many blocks as keep them busy; each is read when it is its turn."""
    for _ in range(tasks.room()):
        if (part := next(waiting, None)) is None:
            return
        tasks.submit(plan, part, probabilities=sink.probabilities is not None)


def _write(plan: TilePlan, frame: dict[str, int], predicted: PredictedCell, sink: Sink) -> None:
    """Write a cell that a worker knows without the region that is asked for."""
    cell, uncertainty = predicted.cell, predicted.uncertainty
    if uncertainty is not None and isinstance(sink, UncertaintySink):
        if (outside := plan.outside(frame, cell.region)) is not None:
            uncertainty = np.where(outside, np.float32(0), uncertainty)
        sink.write_uncertainty(frame, cell, uncertainty)
    write_cell(plan, frame, cell, sink, predicted.labels, predicted.probabilities)
