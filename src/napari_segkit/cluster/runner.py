"""Where networks compute: on the workers of a cluster."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_segkit.config import ClusterConfig
from napari_segkit.inference.context import Context
from napari_segkit.inference.level_maps import level_plan
from napari_segkit.inference.masks import TileMasks
from napari_segkit.inference.plan import TilePlan
from napari_segkit.inference.progress import Progress, TileStep
from napari_segkit.inference.runner import Levels
from napari_segkit.inference.semantic import count_steps, missing_cells, result_of, write_cell
from napari_segkit.inference.sink import Sink, UncertaintySink
from napari_segkit.label_result import LabelResult
from napari_segkit.tiling import Cell, Tile
from napari_segkit.trained_model import TrainedModel

from .block import PredictedCell
from .box_sink import BoxSink
from .connection import slots
from .divide import blocks_of
from .tasks import Part, Tasks

if TYPE_CHECKING:
    from distributed import Client

    from napari_segkit.instances.candidates import SoftMasks

UNKNOWN = 4  # workers that are divided for while there are none
TURNS = 4  # tasks of a worker for each row of tiles, about


class ClusterRunner:
    """Sends blocks to the workers of a client, in a ``with`` that ends what is under way."""

    def __init__(self, client: "Client", config: ClusterConfig) -> None:
        self._client, self._config = client, config
        self._workers: dict[str, str] = {}  # devices by address
        self._models: list[tuple[TrainedModel, Tasks]] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def record(self) -> dict[str, object]:
        """Where the blocks were predicted, for the provenance."""
        devices = sorted(set(self._workers.values()))
        threads = self._config.worker_threads
        return {"workers": len(self._workers), "devices": devices, "threads": threads}

    def predict_plan(self, plan: TilePlan, sink: Sink) -> Generator[TileStep, object, LabelResult]:
        """Predict classes that a sink does not have of a plan."""
        sink.start(plan)
        missing = [(frame, missing_cells(plan, sink, frame)) for frame in plan.frames()]
        parts = list(self._parts(plan, missing, keep=sink.probabilities is not None))
        progress = Progress(sum(count_steps(plan, cells) for _, cells in parts))
        if not progress.total:  # all was predicted before
            yield TileStep(1, 1)
        for_each = _writer(plan, sink)
        keep = sink.probabilities is not None
        yield from self._run(plan, parts, progress, for_each, keep=keep)
        return result_of(plan, sink)

    def blend_frame(
        self, plan: TilePlan, frame: dict[str, int], context: Context, progress: Progress
    ) -> Generator[TileStep, object, Levels | None]:
        """The levels of the box of a context; None if it is ended before."""
        levels = level_plan(plan)
        sink = BoxSink(len(levels.model.classes), context.box)
        parts = list(self._parts(levels, [(frame, levels.cells_of(frame))], keep=True))
        own, before = Progress(sum(count_steps(levels, cells) for _, cells in parts)), 0
        for step in self._run(levels, parts, own, _writer(levels, sink), keep=True):
            done = step.done * len(context.cell.tiles) // step.total
            progress.heed((yield progress.step(done - before)))
            before, own.is_finishing = done, progress.is_finishing
        plan.look_for_missing()
        return sink.probabilities if own.done == own.total else None

    def tile_masks(
        self, plan: TilePlan, frame: dict[str, int], tiles: Sequence[Tile], progress: Progress
    ) -> Generator[TileStep, object, TileMasks | None]:
        """Object masks of tiles, by start of tile; None if it is ended before."""
        masks: dict[tuple[int, ...], SoftMasks] = {}
        workers = sum(slots(self._client)[0].values()) or UNKNOWN
        parts = [Part(frame, [cell]) for cell in _in_cells(tiles, TURNS * workers)]

        def take(_: Part, predicted: TileMasks) -> int:
            masks.update(predicted)
            return len(predicted)

        yield from self._run(plan, parts, progress, take, keep=False)
        plan.look_for_missing()
        return masks if len(masks) == len(tiles) else None

    def _parts(
        self, plan: TilePlan, cells: Sequence[tuple[dict[str, int], Sequence[Cell]]], *, keep: bool
    ) -> Iterator[Part]:
        """Cells of frames in blocks; `keep` says whether probabilities are kept."""
        workers = sum(slots(self._client)[0].values()) or UNKNOWN
        for frame, of_frame in cells:
            blocks = blocks_of(plan, of_frame, len(cells), workers, probabilities=keep)
            yield from [Part(frame, block) for block in blocks]

    def _run(
        self,
        plan: TilePlan,
        parts: Sequence[Part],
        progress: Progress,
        take: Callable[[Part, Any], int],
        *,
        keep: bool,
    ) -> Generator[TileStep, object, None]:
        """Have parts predicted; `take` gets what is predicted of each, and gives its steps.

        As many are under way as keep the workers busy; each is read when it is its turn.
        """
        tasks, waiting = self._tasks(plan.model), iter(parts)
        while not progress.is_finishing:
            for _, part in zip(range(tasks.room()), waiting, strict=False):
                tasks.submit(plan, part, probabilities=keep)
            if not len(tasks):
                return
            done = sum(take(*each) for each in tasks.completed())
            progress.heed((yield progress.step(done)))

    def _tasks(self, model: TrainedModel) -> Tasks:
        """The tasks of a model, which travels once."""
        for known, tasks in self._models:
            if known == model:
                return tasks
        fresh = Tasks(self._client, self._config, model, self._workers)
        self._models.append((model, self._open.enter_context(fresh)))
        return fresh


def _in_cells(tiles: Sequence[Tile], count: int) -> Iterator[Cell]:
    """Rows of tiles, each in about so many cells."""
    for _, group in groupby(tiles, lambda tile: tile.start[0]):
        row = list(group)
        length = ceil(len(row) / count)
        for first in range(0, len(row), length):
            some = row[first : first + length]
            yield Cell(some[0].region, tuple(some))


def _writer(plan: TilePlan, sink: Sink) -> Callable[[Part, list[PredictedCell]], int]:
    """Writes the cells that are predicted, and counts their steps."""

    def write(part: Part, predicted: list[PredictedCell]) -> int:
        for cell in predicted:
            _write(plan, part.frame, cell, sink)
        return count_steps(plan, part.cells)

    return write


def _write(plan: TilePlan, frame: dict[str, int], predicted: PredictedCell, sink: Sink) -> None:
    """Write a cell that a worker knows without the region that is asked for."""
    cell, uncertainty = predicted.cell, predicted.uncertainty
    if uncertainty is not None and isinstance(sink, UncertaintySink):
        if (outside := plan.outside(frame, cell.region)) is not None:
            uncertainty = np.where(outside, np.float32(0), uncertainty)
        sink.write_uncertainty(frame, cell, uncertainty)
    write_cell(plan, frame, cell, sink, predicted.labels, predicted.probabilities)
