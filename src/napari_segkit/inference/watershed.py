"""Predict boundary or distance levels tile by tile; a watershed turns them into objects."""

from collections.abc import Generator
from functools import partial

import numpy as np

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.images.labels import add_to_ids
from napari_segkit.instances.candidates import RegionCandidates, SelectedObjects
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.watershed import segment_objects
from napari_segkit.label_result import LabelResult

from . import three_axes
from .levels import refined_levels, typical_size
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import LOCAL, Runner
from .sink import ObjectSink
from .uncertainty import FrameUncertainty
from .watershed_blocks import predict_blocks


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
    method = str(model.spec.objects)
    labels = np.zeros(image.label_shape, np.int32)
    maps = (
        np.zeros((len(model.classes), *labels.shape), np.float32) if request.probabilities else None
    )
    uncertainty = FrameUncertainty(plan)
    positions, scores, last = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)], 0
    spacing, size, done = image.spacing[-model.ndim :], typical_size(plan), []
    yield from three_axes.predict_others(plan, others, progress)
    for frame in () if progress.is_finishing else plan.frames():
        context = plan.context(plan.box(frame))
        blended = yield from runner.blend_frame(plan, frame, context, progress)
        if blended is None:
            break
        uncertainty.add(frame, context.box, partial(levels_to_classes, blended, method))
        blended = yield from refined_levels(plan, frame, context, blended, progress)
        regions = segment_objects(blended, method, spacing=spacing, size=size)
        classes = levels_to_classes(blended, method)
        if (outside := plan.outside(frame, context.box)) is not None:
            regions.labels[outside] = classes[:, outside] = 0
        image.write(labels, frame, add_to_ids(regions.labels, last), context.box)
        last += len(regions.scores)
        positions.append(regions.positions)
        scores.append(regions.scores)
        if maps is not None:
            image.write(maps, frame, classes, context.box)
        done.append(frame)
        if progress.is_finishing:
            break
    segmented = SelectedObjects(labels, np.concatenate(positions), np.concatenate(scores))
    candidates = RegionCandidates(segmented, without_pixels(image), model.ndim)
    predicted = plan.predicted(done)
    return request.object_result(candidates, plan.record(), maps, predicted, uncertainty.values)
