"""Predict object masks tile by tile and merge them across tiles."""

from collections.abc import Generator
from functools import partial

import numpy as np

from napari_segkit.images.axes_image import without_pixels
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks
from napari_segkit.label_result import LabelResult

from .instance_blocks import predict_blocks
from .local_runner import LOCAL
from .masks import class_probabilities, merged_masks
from .progress import Progress, TileStep
from .request import PredictRequest
from .runner import Runner
from .sink import ObjectSink
from .uncertainty import FrameUncertainty


def predict_tiles(
    request: PredictRequest, runner: Runner = LOCAL
) -> Generator[TileStep, object, LabelResult]:
    """Predict objects tile by tile; a smoothing refines each mask in its box."""
    if isinstance(request.sink, ObjectSink):
        return (yield from predict_blocks(request, request.sink, runner))
    return (yield from _predict_in_memory(request, runner))


def _predict_in_memory(
    request: PredictRequest, runner: Runner
) -> Generator[TileStep, object, LabelResult]:
    plan = request.plan
    model, image, progress = plan.model, plan.original, Progress(plan.steps)
    shape = (len(model.classes), *image.label_shape)
    maps = np.zeros(shape, np.float32) if request.probabilities else None
    uncertainty, none = FrameUncertainty(plan), SoftMasks.concatenate([])
    found = {tuple(frame.values()): none for frame in image.frames(2)}
    done: list[dict[str, int]] = []
    for frame in plan.frames():
        wanted = plan.context(plan.box(frame)).cell.tiles
        masks = yield from runner.tile_masks(plan, frame, wanted, progress)
        if masks is None:
            break
        smoothed = yield from merged_masks(plan, frame, masks, progress)
        found[tuple(frame.values())] = smoothed
        done.append(frame)
        make_maps = partial(class_probabilities, smoothed, shape[0], plan.frame_shape, plan.whole)
        uncertainty.add(frame, plan.whole, make_maps)
        if maps is not None:
            frame_maps = make_maps()
            if (outside := plan.outside(frame, plan.whole)) is not None:
                frame_maps[:, outside] = 0
            image.write(maps, frame, frame_maps)
        if progress.is_finishing:
            break
    candidates = MaskCandidates(list(found.values()), without_pixels(image), plan.region)
    predicted = plan.predicted(done)
    return request.object_result(candidates, plan.record(), maps, predicted, uncertainty.values)
