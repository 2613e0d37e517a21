"""Objects out of a class for every pixel: levels blended from tiles, then a watershed."""

from collections.abc import Generator

import numpy as np
import torch

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.instances.candidates import RegionCandidates, SelectedObjects, without_pixels
from napari_segkit.instances.level_targets import levels_to_classes
from napari_segkit.instances.results import Objects
from napari_segkit.instances.watershed import find_objects
from napari_segkit.refinement.instances import levels_of
from napari_segkit.trained_model import TrainedModel

from .postprocess import refined
from .semantic import blend
from .tiled import Prediction, TileStep, run


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
) -> Generator[TileStep, None, Prediction]:
    """Predict the objects of an image tile by tile.

    A smoothing changes the probabilities of classes; how deep in an object a pixel lies stays as
    the network says.

    Parameters
    ----------
    model, image, config, device, statistics
        As in `prediction.semantic.predict_tiles`.
    probabilities : bool
        Keep the probability of each class at every pixel.
    objects : ObjectConfig, optional
        Which objects are kept.

    Yields
    ------
    TileStep
        After each batch of tiles.

    Returns
    -------
    Prediction
        Its labels are ids of objects.
    """
    work, how = run(model, image, config, device, statistics), str(model.spec.objects)
    labels = np.zeros(image.without_channels(), np.int32)
    kept = np.zeros((len(model.classes), *labels.shape), np.float32) if probabilities else None
    positions, scores, last = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)], 0
    spacing = image.spacing[-model.ndim :]
    size = model.object_size * min(work.image.spacing[-model.ndim :]) / min(spacing)
    for frame in work.frames():
        blended = yield from blend(work, frame)
        if model.refine.smoother:
            classes = levels_to_classes(blended, how)
            smoothed = yield from refined(work, frame, classes, keep=True)
            blended = levels_of(blended, np.asarray(smoothed.probabilities), how)
        found = find_objects(blended, how, spacing=spacing, size=size)
        image.write(labels, frame, np.where(found.labels > 0, found.labels + last, 0))
        last += len(found.scores)
        positions.append(found.class_of)
        scores.append(found.scores)
        if kept is not None:
            image.write(kept, frame, levels_to_classes(blended, how))
    everything = SelectedObjects(labels, np.concatenate(positions), np.concatenate(scores))
    regions = RegionCandidates(everything, without_pixels(image), model.ndim)
    chosen = Objects(regions, objects or ObjectConfig(), model.classes, without_pixels(image))
    return Prediction(chosen.labels, kept, work.provenance(), chosen)
