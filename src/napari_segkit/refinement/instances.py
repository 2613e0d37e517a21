"""Objects refined: soft masks against their background, levels by the classes they belong to."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics
from napari_segkit.instances.candidates import SoftMasks
from napari_segkit.instances.level_targets import by_level, levels_to_classes
from napari_segkit.instances.roi_masks import paste
from napari_segkit.steps import Step

from .blocks import Region, widened
from .probability_maps import ProbabilityMaps
from .smooth import Smoothing, halo, smooth_frame

LEAST = 1e-6  # a class below that says nothing of its levels


def smooth_objects(
    candidates: SoftMasks,
    image: AxesImage,
    frame: dict[str, int],
    config: Smoothing,
    *,
    statistics: Statistics | None,
    device: str = "auto",
) -> Generator[Step, None, SoftMasks]:
    """Smooth the soft mask of each object against its background, whatever lies beside it.

    A mask is smoothed at the image's own resolution, with as much of the image around it as the
    smoothing looks at, and kept in its box: it does not grow beyond. Superpixels
    are cut in the box.

    Parameters
    ----------
    candidates : SoftMasks
        Objects of one frame, boxes in pixels of the image.
    image : AxesImage
        Read around each box only.
    frame : dict
        Which frame, as ``image.frames(2)`` gives it.
    config : CRFConfig, MRFConfig or SuperpixelConfig
        How.
    statistics : Statistics or None
        What scales the intensities: of the whole image, so that a smoothing means the same
        everywhere. None where the smoothing does not look at the image.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps".

    Yields
    ------
    Step
        After each object.

    Returns
    -------
    SoftMasks
        The same objects; each mask has a value for every pixel of its box, which begins and ends
        with a pixel.
    """
    masks = np.empty(len(candidates), object)
    boxes = np.empty((len(candidates), 4), np.float32)
    for number in range(len(candidates)):
        soft, place = paste(candidates.masks[number], candidates.boxes[number], image.spatial(2))
        masks[number] = _smoothed(soft, place, image, frame, config, statistics, device)
        boxes[number] = [place[1].start, place[0].start, place[1].stop, place[0].stop]
        yield Step(number + 1, len(candidates))
    return replace(candidates, boxes=boxes, masks=masks)


def levels_of(
    probabilities: NDArray[np.float32], classes: NDArray[np.float32], how: str
) -> NDArray[np.float32]:
    """Probabilities of levels that add up to other ones of their classes.

    How deep in an object a pixel of that class lies stays as the network says.

    Parameters
    ----------
    probabilities : ndarray
        ``(outputs, *spatial)``, as `objects.levels` has them.
    classes : ndarray
        ``(classes, *spatial)``, background first.
    how : {"components", "boundary", "distance"}
        How objects are told apart.

    Returns
    -------
    ndarray
        ``(outputs, *spatial)``; of a class that the network held for impossible, all at the
        border of an object.
    """
    before = levels_to_classes(probabilities, how)[1:, None]
    levels = by_level(probabilities, how)
    border = np.zeros_like(levels)
    border[:, 0] = 1
    shares = np.where(before > LEAST, levels / np.maximum(before, LEAST), border)
    return np.concatenate(
        [classes[:1], (classes[1:, None] * shares).reshape(-1, *classes.shape[1:])]
    )


def _smoothed(
    soft: NDArray[np.float32],
    place: Region,
    image: AxesImage,
    frame: dict[str, int],
    config: Smoothing,
    statistics: Statistics | None,
    device: str,
) -> NDArray[np.float16]:
    """One mask, which fills a place in the image."""
    wide, inside = widened(place, halo(config, image.spacing[-2:]), image.spatial(2))
    both = np.zeros((2, *(along.stop - along.start for along in wide)), np.float32)
    both[1][inside] = soft.clip(0, 1)
    both[0] = 1 - both[1]
    around = AxesImage(image.read(frame, wide), "CYX", image.spacing, image.name)
    smoothed = np.empty(both.shape[1:], np.float32)
    for block, values in smooth_frame(
        ProbabilityMaps(both, around, statistics), {}, config, device
    ):
        smoothed[block] = values[1]
    return smoothed[inside].astype(np.float16)
