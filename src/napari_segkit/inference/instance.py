"""Objects found one by one in tiles, and joined across them."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig, TileConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks, without_pixels
from napari_segkit.instances.merge_tiles import merge_tiles
from napari_segkit.instances.results import Objects
from napari_segkit.instances.roi_masks import paste
from napari_segkit.refinement.instances import smooth_objects
from napari_segkit.steps import map_steps
from napari_segkit.trained_model import TrainedModel

from .tiled import Prediction, Run, TileStep, run


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

    A smoothing takes each object against its background, in its box.

    Parameters
    ----------
    model, image, config, device, statistics
        As in `prediction.semantic.predict_tiles`.
    probabilities : bool
        Keep the probability of each class at every pixel, as `class_probabilities` has it.
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
    work = run(model, image, config, device, statistics)
    shape = (len(model.classes), *image.without_channels())
    kept = np.zeros(shape, np.float32) if probabilities else None
    frames: list[SoftMasks] = []
    for frame in work.frames():
        found = yield from work.outputs(frame)
        joined = merge_tiles(work.grid, [(tile, _candidates(given)) for tile, given in found])
        frames.append((yield from _smoothed(_scaled(joined, work), work, frame)))
        if kept is not None:
            maps = class_probabilities(frames[-1], len(model.classes), image.spatial(2))
            image.write(kept, frame, maps)
    where = without_pixels(image)
    chosen = Objects(MaskCandidates(frames, where), objects or ObjectConfig(), model.classes, where)
    return Prediction(chosen.labels, kept, work.provenance(), chosen)


def class_probabilities(
    candidates: SoftMasks, classes: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """How likely each pixel is of each class, as the objects found there say.

    For a class of objects it is the highest product of score and mask probability among the
    candidates there; for background, that there is none of any class; scaled to add up to one.

    Parameters
    ----------
    candidates : SoftMasks
        Of one image, also the unsure ones.
    classes : int
        Number of classes, background included.
    shape : tuple of int
        Height and width.

    Returns
    -------
    ndarray
        float32 ``(classes, *shape)``.
    """
    maps = np.zeros((classes, *shape), np.float32)
    for number in range(len(candidates)):
        mask, place = paste(candidates.masks[number], candidates.boxes[number], shape)
        target = maps[candidates.positions[number]][place]
        np.maximum(target, candidates.scores[number] * mask, out=target)
    maps[0] = (1 - maps[1:]).prod(axis=0)
    return maps / maps.sum(axis=0)


def _candidates(given: dict[str, torch.Tensor]) -> SoftMasks:
    """What the network found in a tile, as arrays."""
    arrays: Any = {name: tensor.float().cpu().numpy() for name, tensor in given.items()}
    return SoftMasks(
        arrays["boxes"],
        arrays["masks"].astype(np.float16),
        arrays["labels"].astype(np.intp),
        arrays["scores"],
    )


def _smoothed(
    candidates: SoftMasks, work: Run, frame: dict[str, int]
) -> Generator[TileStep, None, SoftMasks]:
    """Each mask smoothed, where the model does that."""
    smoother = work.model.refine.smoother
    if smoother is None:
        return candidates
    options: Any = {"statistics": work.intensities, "device": str(work.device)}
    steps = smooth_objects(candidates, work.whole, frame, smoother, **options)
    smoothed = yield from map_steps(steps, lambda _: work.step(0))
    yield work.step(1)
    return smoothed


def _scaled(candidates: SoftMasks, work: Run) -> SoftMasks:
    """Boxes in pixels of the image as it came."""
    height, width = np.divide(work.whole.spatial(2), work.image.spatial(2))
    scale = np.array([width, height] * 2, np.float32)
    return replace(candidates, boxes=candidates.boxes * scale)
