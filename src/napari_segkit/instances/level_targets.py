"""Instance ids as classes for semantic networks: levels from the boundary to the middle of objects.

Each thing class has one output per level. "components" has one level; "boundary" has two, boundary
and interior (Caicedo et al. 2019, Nucleus segmentation across imaging experiments); "distance" has
three: the distance transform over its maximum, quantised as the energy of the deep watershed
transform (Bai and Urtasun 2017).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.labels import IGNORE, neighbours
from napari_segkit.images.types import AnyArray

LEVEL_EDGES = (0.25, 0.55)  # of "distance": fractions of the largest distance
BOUNDARY_WIDTH = 0.08  # of the typical diameter
MIN_BOUNDARY = 2.0  # pixels
MAX_BOUNDARY = 0.5  # of an object's largest distance
LEVELS: dict[str, int] = {"components": 1, "boundary": 2, "distance": len(LEVEL_EDGES) + 1}


def count_outputs(objects_by: str, classes: int) -> int:
    """Number of network outputs: background, and one per level of each thing class."""
    return 1 + (classes - 1) * LEVELS[objects_by]


def encode_levels(
    ids: NDArray[np.int32],
    class_of: AnyArray,
    objects_by: str,
    *,
    spacing: Sequence[float],
    size: float,
) -> NDArray[np.int16]:
    """Instance ids ``(Y, X)`` or ``(Z, Y, X)`` as indices of network outputs, int16.

    0 background, -1 not annotated, else ``1 + (position - 1) * levels + level``. Ends of the image
    and of annotated regions are no boundaries. `spacing` is in world units per axis, `size` the
    typical diameter in pixels of the finest axis.
    """
    objects = np.maximum(ids, 0)
    first = np.append(0, 1 + (np.asarray(class_of, np.intp)[1:] - 1) * LEVELS[objects_by])
    encoded = np.where(ids < 0, IGNORE, first[objects]).astype(np.int16)
    if objects_by == "components":
        return encoded
    sampling, contact = np.divide(spacing, min(spacing)), _contact_pixels(ids)
    for number, region in enumerate(ndimage.find_objects(objects), 1):
        if region is None:
            continue
        around = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in region)
        inside = ids[around] == number
        distance = _distance_to_border(inside | (ids[around] < 0), sampling)[inside]
        encoded[around][inside] += _levels(distance, contact[around][inside], objects_by, size)
    return encoded


def levels_to_classes(probabilities: NDArray[np.float32], objects_by: str) -> NDArray[np.float32]:
    """Class probabilities ``(classes, *spatial)``: the sums over their levels."""
    levels = split_levels(probabilities, objects_by)
    return np.concatenate([probabilities[:1], levels.sum(axis=1)])


def split_levels(probabilities: NDArray[np.float32], objects_by: str) -> NDArray[np.float32]:
    """Outputs of the thing classes, ``(classes - 1, levels, *spatial)``."""
    return probabilities[1:].reshape(-1, LEVELS[objects_by], *probabilities.shape[1:])


def _distance_to_border(inside: NDArray[np.bool_], sampling: AnyArray) -> NDArray[np.float64]:
    """Distance of each pixel to the nearest outside; constant if there is none."""
    if inside.all():
        return np.ones(inside.shape)
    return ndimage.distance_transform_edt(inside, sampling=sampling)


def _contact_pixels(ids: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels next to another object along any axis."""
    contact = np.zeros(ids.shape, bool)
    for (one, other), marks in zip(neighbours(ids), neighbours(contact), strict=True):
        touching = (one != other) & (one > 0) & (other > 0)
        for mark in marks:
            mark |= touching
    return contact


def _levels(
    distance: NDArray[np.float64], contact: NDArray[np.bool_], objects_by: str, size: float
) -> NDArray[np.intp]:
    """Level of each pixel of an object; pixels that touch another object have the lowest."""
    largest = distance.max()
    if objects_by == "distance":
        levels = np.digitize((distance - 1) / max(largest - 1, 1e-6), LEVEL_EDGES)
        levels[distance == largest] = len(LEVEL_EDGES)
    else:
        width = min(max(MIN_BOUNDARY, BOUNDARY_WIDTH * size), MAX_BOUNDARY * largest)
        levels = (distance > width).astype(np.intp)
    return levels if contact[levels > 0].all() else np.where(contact, 0, levels)
