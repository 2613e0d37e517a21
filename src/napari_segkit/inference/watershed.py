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
from napari_segkit.refinement.instances import rescale_levels

from .blending import blend_frame
from .postprocess import labels_from_probabilities
from .progress import Progress, TileStep
from .request import PredictRequest
from .uncertainty import FrameUncertainty


def predict_tiles(request: PredictRequest) -> Generator[TileStep, object, LabelResult]:
    """Predict objects; a smoothing refines class probabilities, not boundary or distance levels."""
    plan = request.plan
    model, image, progress = plan.model, plan.original, Progress(plan.steps)
    method = str(model.spec.objects)
    labels = np.zeros(image.label_shape, np.int32)
    maps = (
        np.zeros((len(model.classes), *labels.shape), np.float32) if request.probabilities else None
    )
    uncertainty = FrameUncertainty(plan)
    positions, scores, last = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)], 0
    spacing = image.spacing[-model.ndim :]
    size = model.object_size * min(plan.image.spacing[-model.ndim :]) / min(spacing)
    whole, done = [slice(0, n) for n in plan.frame_shape], []
    for frame in plan.frames():
        blended = yield from blend_frame(plan, frame, progress)
        if blended is None:
            break
        uncertainty.add(frame, partial(levels_to_classes, blended, method))
        if model.refine.smoother:
            classes = levels_to_classes(blended, method)
            smoothed = yield from labels_from_probabilities(
                plan, frame, classes, progress, keep=True
            )
            blended = rescale_levels(blended, np.asarray(smoothed.probabilities), method)
        if (missing := plan.missing(frame, whole)) is not None:
            blended[:, missing] = np.eye(len(blended), 1)  # background
        regions = segment_objects(blended, method, spacing=spacing, size=size)
        classes = levels_to_classes(blended, method)
        if (outside := plan.outside(frame, whole)) is not None:
            regions.labels[outside] = classes[:, outside] = 0
        image.write(labels, frame, add_to_ids(regions.labels, last))
        last += len(regions.scores)
        positions.append(regions.positions)
        scores.append(regions.scores)
        if maps is not None:
            image.write(maps, frame, classes)
        done.append(frame)
        if progress.is_finishing:
            break
    segmented = SelectedObjects(labels, np.concatenate(positions), np.concatenate(scores))
    candidates = RegionCandidates(segmented, without_pixels(image), model.ndim)
    predicted = plan.predicted(done)
    return request.object_result(candidates, plan.provenance(), maps, predicted, uncertainty.values)
