"""From what a network says of each pixel to objects: seeds in their middles, then a watershed.

The numbers below were chosen together, one setting for nuclei and cells of 13 to 68 pixels in six
sets of images and volumes, on parts of the training images that the networks had not seen. Flooding
by the distance to the rim instead of by the expected level gained nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from .level_targets import by_level, levels_to_classes

FOREGROUND = 0.5  # an object is where background is no likelier than one less this
SEED = 0.5  # a seed is where the expected level, 0 at the border and 1 in the middle, is higher
NECK = 0.4  # of their thickness: what joins two cores by less is a gap in the rim between them
SMOOTH = 0.04  # of the diameter, sigma by which the thickness is smoothed
SMALL = 0.03  # of the area of a typical object: smaller holes are filled, smaller seeds dropped
DOUBT = 0.5  # area of the smallest object, as a share of the typical, for each unit of doubt


@dataclass(frozen=True)
class Regions:
    """Objects of an image.

    Parameters
    ----------
    labels : ndarray
        int32: 0 background, 1 to N the objects, each in one piece.
    class_of : ndarray
        int ``(N,)``: the class position of each, at least 1.
    scores : ndarray
        float32 ``(N,)``: the mean probability of that class in the object, 0 to 1.
    """

    labels: NDArray[np.int32]
    class_of: NDArray[np.intp]
    scores: NDArray[np.float32]


def find_objects(
    probabilities: NDArray[np.float32], how: str, *, spacing: Sequence[float], size: float
) -> Regions:
    """Objects, from the probabilities of a network's outputs.

    Parameters
    ----------
    probabilities : ndarray
        ``(outputs, Y, X)`` or ``(outputs, Z, Y, X)``, as many as `levels.outputs` says.
    how : {"components", "boundary", "distance"}
        How the network learned to tell objects apart.
    spacing : sequence of float
        World units between pixels along each axis.
    size : float
        Typical diameter of an object, in pixels of the finest axis.

    Returns
    -------
    Regions
        Objects numbered from 1 in the order of their first pixels.
    """
    classes = levels_to_classes(probabilities, how)
    typical = _typical(spacing, size)
    foreground = _without_holes(classes[0] <= 1 - FOREGROUND, SMALL * typical)
    if how == "components":
        labels = _components(classes, foreground)
    else:
        height = _expected(by_level(probabilities, how).sum(axis=0))
        seeds = _cores(foreground & (height > SEED), SMALL * typical)
        if how == "boundary":
            seeds = _parted(seeds, spacing, SMOOTH * size)
        labels = _flooded(height, seeds, foreground)
    return _described(labels, classes, DOUBT * typical)


def _typical(spacing: Sequence[float], size: float) -> float:
    """Pixels of a disc or ball of this diameter, which is in pixels of the finest axis."""
    content = pi / 4 * size**2 if len(spacing) == 2 else pi / 6 * size**3
    return float(content / np.prod(np.divide(spacing, min(spacing))))


def _without_holes(foreground: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """Fill what is enclosed and small; at the end of the image nobody knows how far a gap goes."""
    gaps = _pieces(~foreground, 0)
    small = np.bincount(gaps.ravel()) < smallest
    for axis in range(gaps.ndim):
        small[gaps.take([0, -1], axis)] = False
    return foreground | small[gaps]


def _expected(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The expected level, 0 in the background and at borders, 1 in the middle of objects."""
    height = np.zeros(levels.shape[1:], np.float32)
    for number, level in enumerate(levels[1:], 1):
        height += np.float32(number / (len(levels) - 1)) * level
    return height


def _components(classes: NDArray[np.float32], foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Each connected piece of a class."""
    likeliest = np.where(foreground, classes[1:].argmax(axis=0) + 1, 0)
    labels = np.zeros(likeliest.shape, np.int32)
    for position in range(1, len(classes)):
        labels += _pieces(likeliest == position, labels.max())
    return labels


def _pieces(mask: NDArray[np.bool_], after: int) -> NDArray[np.int32]:
    """Connected pieces, numbered after those that there are already."""
    pieces: NDArray[np.int32] = ndimage.label(mask)[0]
    return np.where(mask, pieces + np.int32(after), 0)


def _cores(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.int32]:
    """Connected pieces that are not too small."""
    pieces = _pieces(mask, 0)
    areas = np.bincount(pieces.ravel())
    return np.where(areas[pieces] < smallest, np.int32(0), pieces)


def _parted(cores: NDArray[np.int32], spacing: Sequence[float], sigma: float) -> NDArray[np.int32]:
    """Seeds where cores are thickest: a rim with a gap still parts what lies on its two sides."""
    seeds, sampling, count = np.zeros_like(cores), np.divide(spacing, min(spacing)), 0
    for number, box in enumerate(ndimage.find_objects(cores), 1):
        if box is None:
            continue
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        core = cores[around] == number
        summits, found = ndimage.label(_summits(core, sampling, sigma), np.ones((3,) * core.ndim))
        seeds[around][summits > 0] = summits[summits > 0] + count
        count += found
    return seeds


def _summits(core: NDArray[np.bool_], sampling: NDArray[Any], sigma: float) -> NDArray[np.bool_]:
    """Where a core is thick, up to necks; all of it where it is alike everywhere."""
    if core.all():
        return core
    depth = ndimage.distance_transform_edt(core, sampling=sampling)
    depth = np.log(ndimage.gaussian_filter(depth, sigma / sampling).clip(NECK**2))
    summits = core & local_maxima(reconstruction(depth + log(NECK), depth))  # type: ignore[no-untyped-call]
    return summits if summits.any() else core


def _flooded(
    height: NDArray[np.float32], seeds: NDArray[np.int32], foreground: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """One object around each seed; foreground that no seed reaches is an object as it is."""
    labels: NDArray[np.int32] = watershed(-height, seeds, mask=foreground)  # type: ignore[no-untyped-call]
    return labels + _pieces(foreground & (labels == 0), labels.max())


def _described(labels: NDArray[np.int32], classes: NDArray[np.float32], doubt: float) -> Regions:
    """Class and score of each object, without those that are too small to be believed."""
    flat, count = labels.ravel(), int(labels.max()) + 1
    areas = np.bincount(flat, minlength=count)
    sums = np.stack([np.bincount(flat, c.ravel(), count) for c in classes[1:]])
    means = sums / np.maximum(areas, 1)
    scores = np.clip(means.max(axis=0), 0, 1)
    kept = areas >= doubt * (1 - scores)
    kept[0] = False
    found, first = np.unique(flat, return_index=True)
    order = found[np.argsort(first)]
    order = order[kept[order]]
    numbers = np.zeros(count, np.int32)
    numbers[order] = np.arange(1, len(order) + 1)
    return Regions(
        numbers[labels], means.argmax(axis=0)[order] + 1, scores[order].astype(np.float32)
    )
