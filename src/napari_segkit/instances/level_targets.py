"""Objects as classes that any semantic network can learn: levels from the border to the middle.

Each thing class has one output for each level. "components" has one level; "boundary" has two, the
rim and the interior, as in Caicedo et al. 2019 (Nucleus segmentation across imaging experiments);
"distance" has `STEPS`, the distance to the object's border over its largest, quantised as the
energy of the deep watershed transform (Bai and Urtasun 2017).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.labels import IGNORE

STEPS = (0.25, 0.55)  # of the way from the border to the innermost pixel: where levels end
RIM = 0.08  # width of the rim, of the typical diameter; at least `NARROWEST` pixels
NARROWEST = 2.0
THICKEST = 0.5  # no rim is wider than this share of its object's largest distance
LEVELS: dict[str, int] = {"components": 1, "boundary": 2, "distance": len(STEPS) + 1}


def outputs(how: str, classes: int) -> int:
    """Outputs that a network needs.

    Parameters
    ----------
    how : {"components", "boundary", "distance"}
        How objects are told apart.
    classes : int
        Number of classes, background included.

    Returns
    -------
    int
        One for background, and for each thing class as many as there are levels.
    """
    return 1 + (classes - 1) * LEVELS[how]


def encode(
    ids: NDArray[np.int32],
    class_of: NDArray[Any],
    how: str,
    *,
    spacing: Sequence[float],
    size: float,
) -> NDArray[np.int16]:
    """Objects as indices of a network's outputs.

    Borders of the image and of regions that are not annotated are no borders of objects.

    Parameters
    ----------
    ids : ndarray
        ``(Y, X)`` or ``(Z, Y, X)``: 0 background, one number for each object, -1 not annotated.
    class_of : ndarray
        Class position of each id; 0 of id 0.
    how : {"components", "boundary", "distance"}
        How objects are told apart.
    spacing : sequence of float
        World units between pixels along each axis.
    size : float
        Typical diameter of an object, in pixels of the finest axis.

    Returns
    -------
    ndarray
        int16, the shape of `ids`: 0 background, ``1 + (position - 1) * levels + level`` in
        objects, -1 not annotated.
    """
    known = np.maximum(ids, 0)
    first = np.append(0, 1 + (np.asarray(class_of, np.intp)[1:] - 1) * LEVELS[how])
    encoded = np.where(ids < 0, IGNORE, first[known]).astype(np.int16)
    if how == "components":
        return encoded
    sampling, contact = np.divide(spacing, min(spacing)), _contact(ids)
    for number, region in enumerate(ndimage.find_objects(known), 1):
        if region is None:
            continue
        around = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in region)
        inside = ids[around] == number
        distance = _to_border(inside | (ids[around] < 0), sampling)[inside]
        encoded[around][inside] += _levels(distance, contact[around][inside], how, size)
    return encoded


def levels_to_classes(probabilities: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """Probability of each class, from that of each output.

    Parameters
    ----------
    probabilities : ndarray
        ``(outputs, *spatial)``.
    how : {"components", "boundary", "distance"}
        How objects are told apart.

    Returns
    -------
    ndarray
        ``(classes, *spatial)``.
    """
    levels = by_level(probabilities, how)
    return np.concatenate([probabilities[:1], levels.sum(axis=1)])


def by_level(probabilities: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    """The outputs of the thing classes, ``(classes - 1, levels, *spatial)``."""
    return probabilities[1:].reshape(-1, LEVELS[how], *probabilities.shape[1:])


def _to_border(inside: NDArray[np.bool_], sampling: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest outside; everywhere the same where there is none."""
    if inside.all():
        return np.ones(inside.shape)
    return ndimage.distance_transform_edt(inside, sampling=sampling)


def _contact(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels beside one of another object, along any axis."""
    contact = np.zeros(ids.shape, bool)
    for axis in range(ids.ndim):
        before, after = (np.moveaxis(ids, axis, 0)[s] for s in (np.s_[:-1], np.s_[1:]))
        meet = (before != after) & (before > 0) & (after > 0)
        for side in (np.s_[:-1], np.s_[1:]):
            np.moveaxis(contact, axis, 0)[side] |= meet
    return contact


def _levels(
    distance: NDArray[np.float64], contact: NDArray[np.bool_], how: str, size: float
) -> NDArray[np.intp]:
    """The level of each pixel of an object; what touches another object has the lowest."""
    largest = distance.max()
    if how == "distance":
        levels = np.digitize((distance - 1) / max(largest - 1, 1e-6), STEPS)
        levels[distance == largest] = len(STEPS)
    else:
        width = min(max(NARROWEST, RIM * size), THICKEST * largest)
        levels = (distance > width).astype(np.intp)
    return levels if contact[levels > 0].all() else np.where(contact, 0, levels)
