"""Refine instances: smooth soft masks, and fit level probabilities to smoothed classes."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.types import Floats
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.level_targets import levels_to_classes, split_levels
from napari_segkit.instances.roi_masks import paste
from napari_segkit.steps import Step

from .blocks import Region, add_margin
from .probability_maps import ProbabilityMaps
from .smooth import smooth_frame, smoothing_method
from .smoothing_method import SmoothingConfig, SmoothingMethod

MIN_PROBABILITY = 1e-6  # below it, a class has no meaningful distribution over levels


def smooth_objects(
    candidates: SoftMasks,
    image: AxesImage,
    frame: dict[str, int],
    config: SmoothingConfig,
    *,
    statistics: Statistics | None,
    device: str = "auto",
) -> Generator[Step, None, SoftMasks]:
    """Smooth each object's soft mask against its background, at the image's resolution.

    Other objects are ignored, and a mask does not grow beyond its box. `statistics` are those of
    the full image; None where the smoothing does not use the image.
    """
    masks = np.empty(len(candidates), object)
    boxes = np.empty((len(candidates), 4), np.float32)
    shape = image.spatial_shape(2)
    method = smoothing_method(config, image.spacing[-2:])
    for number in range(len(candidates)):
        mask, box = paste(candidates.masks[number], candidates.boxes[number], shape)
        masks[number] = _smooth_mask(mask, box, image, frame, method, statistics, device)
        boxes[number] = [box[1].start, box[0].start, box[1].stop, box[0].stop]
        yield Step(number + 1, len(candidates))
    return replace(candidates, boxes=boxes, masks=masks)


def rescale_levels(probabilities: Floats, classes: Floats, how: str) -> Floats:
    """Scale ``(outputs, *spatial)`` level probabilities to sum to ``(classes, *spatial)``.

    The distribution over the levels of a class stays; where the network gave a class no
    probability, all goes to the level at the border of an object.
    """
    before = levels_to_classes(probabilities, how)[1:, None]
    levels = split_levels(probabilities, how)
    border = np.zeros_like(levels)
    border[:, 0] = 1
    shares = np.where(
        before > MIN_PROBABILITY, levels / np.maximum(before, MIN_PROBABILITY), border
    )
    return np.concatenate(
        [classes[:1], (classes[1:, None] * shares).reshape(-1, *classes.shape[1:])]
    )


def _smooth_mask(
    mask: Floats,
    box: Region,
    image: AxesImage,
    frame: dict[str, int],
    method: SmoothingMethod,
    statistics: Statistics | None,
    device: str,
) -> NDArray[np.float16]:
    outer, inside = add_margin(box, method.halo(), image.spatial_shape(2))
    probabilities = np.zeros((2, *(axis.stop - axis.start for axis in outer)), np.float32)
    probabilities[1][inside] = mask.clip(0, 1)
    probabilities[0] = 1 - probabilities[1]
    crop = AxesImage(image.read(frame, outer), "CYX", image.spacing, image.name)
    maps = ProbabilityMaps(probabilities, crop, statistics)
    smoothed = np.empty(probabilities.shape[1:], np.float32)
    for block, values in smooth_frame(maps, {}, method, device):
        smoothed[block] = values[1]
    return smoothed[inside].astype(np.float16)
