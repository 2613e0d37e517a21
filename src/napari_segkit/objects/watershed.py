"""From what a network says of each pixel to objects: seeds in their middles, then a watershed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from .levels import by_level, levels_to_classes

SEED = 0.5  # a seed is where the middle is at least this likely
SMALLEST = 0.02  # area (volume) of the smallest object, of one of typical diameter


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
    if how == "components":
        labels = _components(classes)
    else:
        labels = _watershed(by_level(probabilities, how).sum(axis=0), classes[0])
    return _described(labels, classes)


def _components(classes: NDArray[np.float32]) -> NDArray[np.int32]:
    """Each connected piece of a class."""
    likeliest = classes.argmax(axis=0)
    labels = np.zeros(likeliest.shape, np.int32)
    for position in range(1, len(classes)):
        pieces = ndimage.label(likeliest == position)[0]
        labels[pieces > 0] = labels.max() + pieces[pieces > 0]
    return labels


def _watershed(levels: NDArray[np.float32], background: NDArray[np.float32]) -> NDArray[np.int32]:
    foreground = background < 0.5
    height = sum(n * level for n, level in enumerate(levels)) / (len(levels) - 1)
    seeds = ndimage.label(height > SEED)[0]
    return watershed(-height, seeds, mask=foreground)  # type: ignore[no-untyped-call]


def _described(labels: NDArray[np.int32], classes: NDArray[np.float32]) -> Regions:
    """Number the objects anew, and decide what each is."""
    present, first = np.unique(labels, return_index=True)
    first = first[present > 0]
    present = present[present > 0]
    order = np.argsort(first)
    number = np.zeros(labels.max() + 1, np.int32)
    number[present[order]] = np.arange(1, len(present) + 1)
    labels = number[labels]
    flat, count = labels.ravel(), len(present) + 1
    area = np.bincount(flat, minlength=count)[1:]
    sums = [np.bincount(flat, c.ravel(), count)[1:] for c in classes[1:]]
    means = np.stack(sums) / area
    best = means.argmax(axis=0)
    scores = np.take_along_axis(means, best[None], 0)[0]
    return Regions(labels, best + 1, scores.astype(np.float32))
