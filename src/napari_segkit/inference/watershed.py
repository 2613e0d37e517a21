"""Predict boundary or distance levels tile by tile; a watershed turns them into objects."""

from collections.abc import Generator

import numpy as np
import torch

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.instances.candidates import RegionCandidates, SelectedObjects, without_pixels
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.results import Objects
from napari_segkit.instances.watershed import segment_objects
from napari_segkit.label_result import LabelResult
from napari_segkit.refinement.instances import rescale_levels
from napari_segkit.trained_model import TrainedModel

from .postprocess import labels_from_probabilities
from .semantic import blend
from .tiled import TileStep, start_inference


@torch.inference_mode()
def predict_tiles(
    model: TrainedModel,
    image: AxesImage,
    config: TileConfig,
    device: torch.device,
    *,
    probabilities: bool = False,
    statistics: Statistics | None = None,
    objects: ObjectConfig | None = None,
) -> Generator[TileStep, None, LabelResult]:
    """Predict objects; a smoothing refines class probabilities, not boundary or distance levels."""
    inference = start_inference(model, image, config, device, statistics)
    method = str(model.spec.objects)
    labels = np.zeros(image.label_shape, np.int32)
    maps = np.zeros((len(model.classes), *labels.shape), np.float32) if probabilities else None
    positions, scores, last = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)], 0
    spacing = image.spacing[-model.ndim :]
    size = model.object_size * min(inference.image.spacing[-model.ndim :]) / min(spacing)
    for frame in inference.frames():
        blended = yield from blend(inference, frame)
        if model.refine.smoother:
            classes = levels_to_classes(blended, method)
            smoothed = yield from labels_from_probabilities(inference, frame, classes, keep=True)
            blended = rescale_levels(blended, np.asarray(smoothed.probabilities), method)
        regions = segment_objects(blended, method, spacing=spacing, size=size)
        image.write(labels, frame, np.where(regions.labels > 0, regions.labels + last, 0))
        last += len(regions.scores)
        positions.append(regions.class_of)
        scores.append(regions.scores)
        if maps is not None:
            image.write(maps, frame, levels_to_classes(blended, method))
    segmented = SelectedObjects(labels, np.concatenate(positions), np.concatenate(scores))
    candidates = RegionCandidates(segmented, without_pixels(image), model.ndim)
    result = Objects(candidates, objects or ObjectConfig(), model.classes, without_pixels(image))
    return LabelResult(
        result.labels, image.label_axes, model.all_classes, inference.provenance(), maps, result
    )
