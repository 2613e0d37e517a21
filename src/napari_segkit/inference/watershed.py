"""Predict boundary or distance levels tile by tile; a watershed turns them into objects."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.images.labels import add_to_ids
from napari_segkit.images.regions import Box
from napari_segkit.images.types import Floats
from napari_segkit.instances.candidates import RegionCandidates, SelectedObjects
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.watershed import segment_objects
from napari_segkit.label_result import LabelResult

from . import three_axes
from .levels import refined_levels, typical_size
from .local_runner import LOCAL
from .plan import TilePlan
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import ObjectSink
from .uncertainty import FrameUncertainty
from .watershed_blocks import predict_blocks


@dataclass(frozen=True, eq=False)
class FrameLevels:
    """Boundary or distance levels of a box of a frame, smoothed if the model asks for it."""

    plan: TilePlan
    frame: dict[str, int]
    box: Box
    levels: Floats

    def objects(self, separation: float | None) -> SelectedObjects:
        """The objects of the box, none of them outside of what is predicted."""
        model = self.plan.model
        objects = segment_objects(
            self.levels,
            str(model.spec.objects),
            spacing=self.plan.original.spacing[-model.ndim :],
            size=typical_size(self.plan),
            separation=separation,
        )
        if (outside := self.plan.outside(self.frame, self.box)) is not None:
            objects.labels[outside] = 0
        return objects

    def classes(self) -> Floats:
        """Probabilities of the classes, 0 outside of what is predicted."""
        classes = levels_to_classes(self.levels, str(self.plan.model.spec.objects))
        if (outside := self.plan.outside(self.frame, self.box)) is not None:
            classes[:, outside] = 0
        return classes


class FrameObjects:
    """Collects the objects of frames, which are numbered on from frame to frame."""

    def __init__(self, plan: TilePlan) -> None:
        self.plan, self._last = plan, 0
        self.labels = np.zeros(plan.original.label_shape, np.int32)
        self._positions, self._scores = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)]

    def add(self, levels: FrameLevels, separation: float | None) -> None:
        """Find the objects of a frame."""
        objects = levels.objects(separation)
        ids = add_to_ids(objects.labels, self._last)
        self.plan.original.write(self.labels, levels.frame, ids, levels.box)
        self._last += len(objects.scores)
        self._positions.append(objects.positions)
        self._scores.append(objects.scores)

    def candidates(self) -> RegionCandidates:
        """All of them, of which settings select some."""
        positions, scores = np.concatenate(self._positions), np.concatenate(self._scores)
        found = SelectedObjects(self.labels, positions, scores)
        return RegionCandidates(found, without_pixels(self.plan.original), self.plan.model.ndim)


def predict_tiles(
    request: PredictRequest, runner: Runner = LOCAL
) -> Generator[TileStep, object, LabelResult]:
    """Predict objects; a smoothing refines class probabilities, not boundary or distance levels."""
    if isinstance(request.sink, ObjectSink):
        return (yield from predict_blocks(request, request.sink, runner))
    plan = request.plan
    others = three_axes.other_plans(plan, plan.frames())
    model, image = plan.model, plan.original
    progress = Progress(plan.steps + three_axes.count_steps(others))
    objects, uncertainty, done = FrameObjects(plan), FrameUncertainty(plan), []
    maps = None
    if request.probabilities:
        maps = np.zeros((len(model.classes), *image.label_shape), np.float32)
    yield from three_axes.predict_others(plan, others, progress)
    for frame in () if progress.is_finishing else plan.frames():
        levels = yield from _frame_levels(plan, frame, progress, uncertainty, runner)
        if levels is None:
            break
        objects.add(levels, model.separation)
        if maps is not None:
            image.write(maps, frame, levels.classes(), levels.box)
        done.append(frame)
        if progress.is_finishing:
            break
    predicted = plan.predicted(done)
    return request.object_result(
        objects.candidates(), plan.record(), maps, predicted, uncertainty.values
    )


def predict_separated(
    request: PredictRequest, separations: Sequence[float]
) -> Generator[TileStep, object, list[LabelResult]]:
    """Predict the levels of all frames once, and objects with each of these separations."""
    plan, progress = request.plan, Progress(request.plan.steps)
    results = [FrameObjects(plan) for _ in separations]
    for frame in plan.frames():
        none = FrameUncertainty(plan)
        levels = yield from _frame_levels(plan, frame, progress, none, LOCAL)
        if levels is not None:
            for objects, separation in zip(results, separations, strict=True):
                objects.add(levels, separation)
    return [
        request.object_result(each.candidates(), plan.record(), None, None, None)
        for each in results
    ]


def _frame_levels(
    plan: TilePlan,
    frame: dict[str, int],
    progress: Progress,
    uncertainty: FrameUncertainty,
    runner: Runner,
) -> Generator[TileStep, object, FrameLevels | None]:
    """Levels of what is asked for of a frame; None if it is ended before."""
    context = plan.context(plan.box(frame))
    levels = yield from runner.blend_frame(plan, frame, context, progress)
    if levels is None:
        return None
    of_levels = partial(levels_to_classes, levels, str(plan.model.spec.objects))
    uncertainty.add(frame, context.box, of_levels)
    levels = yield from refined_levels(plan, frame, context, levels, progress)
    return FrameLevels(plan, frame, context.box, levels)
