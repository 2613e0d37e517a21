"""Seeded watershed from the outputs of a network to objects.

The constants were chosen together, one setting for nuclei and cells of 13 to 68 pixels in six data
sets, on parts of the training images held out from training. Flooding by the distance to the
boundary instead of the expected level gained nothing. How readily seeds are separated is chosen for
each model by its validation.
"""

from collections.abc import Sequence
from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.labels import add_to_ids
from napari_segkit.images.types import AnyArray

from .candidates import SelectedObjects
from .level_targets import levels_to_classes, split_levels

FOREGROUND = 0.5  # least probability of all classes but background
SEED = 0.5  # seeds are where the expected level is higher (0 at the border, 1 in the middle)
# How readily seeds are split, below 1. "boundary": at necks of less than this relative thickness.
# "distance": where the level falls by 1 - this between two peaks. The first is that of models whose
# validation chose none.
SEPARATIONS = {"boundary": (0.4, 0.2, 0.3, 0.5, 0.6, 0.7), "distance": (0.0, 0.7, 0.85)}
SMOOTHING = 0.04  # sigma of the thickness or of the level, relative to the diameter
SMALL_AREA = 0.03  # of a typical object: smaller holes are filled, smaller seeds dropped
UNCERTAIN_AREA = 0.5  # least area at score 0, of a typical object; falls to 0 at score 1


def segment_objects(
    probabilities: NDArray[np.float32],
    objects_by: str,
    *,
    spacing: Sequence[float],
    size: float,
    separation: float | None = None,
) -> SelectedObjects:
    """Objects from network outputs ``(outputs, Y, X)`` or ``(outputs, Z, Y, X)``.

    `spacing` is in world units per axis, `size` the typical diameter in pixels of the finest axis,
    `separation` one of the `SEPARATIONS`. Objects are connected, and numbered from 1 in the order
    of their first pixels; the score is the mean probability of the class.
    """
    labels, classes = separate_objects(
        probabilities, objects_by, spacing=spacing, size=size, separation=separation
    )
    return _score_objects(labels, classes, uncertain_area(spacing, size))


def separate_objects(
    probabilities: NDArray[np.float32],
    objects_by: str,
    *,
    spacing: Sequence[float],
    size: float,
    separation: float | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Ids of all objects in any order, also of uncertain ones, and the class probabilities."""
    classes = levels_to_classes(probabilities, objects_by)
    typical = _typical_pixels(spacing, size)
    foreground = _fill_small_holes(classes[0] <= 1 - FOREGROUND, SMALL_AREA * typical)
    if objects_by == "components":
        return _components(classes, foreground), classes
    height = _expected_level(split_levels(probabilities, objects_by).sum(axis=0))
    smallest, sampling = SMALL_AREA * typical, np.divide(spacing, min(spacing))
    seeds = _large_components(foreground & (height > SEED), smallest)
    if separation is None:
        separation = SEPARATIONS[objects_by][0]
    sigma = SMOOTHING * size / sampling
    if objects_by == "boundary":
        seeds = _split_at_necks(seeds, sampling, sigma, separation)
    elif separation:
        seeds = _split_at_peaks(seeds, height, sigma, smallest, 1 - separation)
    return _watershed(height, seeds, foreground), classes


def uncertain_area(spacing: Sequence[float], size: float) -> float:
    """Least pixels of an object of score 0."""
    return UNCERTAIN_AREA * _typical_pixels(spacing, size)


def score_objects(
    pixels: NDArray[np.int64], sums: NDArray[np.float64], least: float
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """Class position and score of objects, and which are certain or large enough.

    `sums` are those of the probabilities of thing classes, ``(objects, classes)``, and `least` is
    the `uncertain_area`.
    """
    means = sums / np.maximum(pixels, 1)[:, None]
    scores = means.max(axis=1).clip(0, 1)
    kept = (pixels > 0) & (pixels >= least * (1 - scores))
    return means.argmax(axis=1) + 1, scores.astype(np.float32), kept


def _typical_pixels(spacing: Sequence[float], size: float) -> float:
    """Pixels of a disc (ball) with this diameter in pixels of the finest axis."""
    volume = pi / 4 * size**2 if len(spacing) == 2 else pi / 6 * size**3
    return float(volume / np.prod(np.divide(spacing, min(spacing))))


def _fill_small_holes(foreground: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """Fill small enclosed holes, but none at the ends of the image, where the extent is unknown."""
    holes = _label_components(~foreground, 0)
    small = np.bincount(holes.ravel()) < smallest
    for axis in range(holes.ndim):
        small[holes.take([0, -1], axis)] = False
    return foreground | small[holes]


def _expected_level(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected level: 0 in background and at boundaries, 1 in the middle of objects."""
    height = np.zeros(levels.shape[1:], np.float32)
    for number, level in enumerate(levels[1:], 1):
        height += np.float32(number / (len(levels) - 1)) * level
    return height


def _components(classes: NDArray[np.float32], foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Connected components of each class."""
    most_likely = np.where(foreground, classes[1:].argmax(axis=0) + 1, 0)
    labels = np.zeros(most_likely.shape, np.int32)
    for position in range(1, len(classes)):
        labels += _label_components(most_likely == position, labels.max())
    return labels


def _label_components(mask: NDArray[np.bool_], after: int) -> NDArray[np.int32]:
    """Number connected components from `after` + 1."""
    return add_to_ids(ndimage.label(mask)[0], after)


def _large_components(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.int32]:
    """Connected components that are not too small."""
    components = _label_components(mask, 0)
    areas = np.bincount(components.ravel())
    return np.where(areas[components] < smallest, np.int32(0), components)


def _split_at_peaks(
    seeds: NDArray[np.int32],
    height: NDArray[np.float32],
    sigma: NDArray[np.float64],
    smallest: float,
    prominence: float,
) -> NDArray[np.int32]:
    """Split seeds into the peaks of the level between which it falls so far (h-maxima).

    So touching objects are separated at the level that lies between them, however high it is.
    """
    from skimage.morphology import local_maxima, reconstruction

    level = np.where(seeds > 0, ndimage.gaussian_filter(height, sigma), np.float32(-1))
    maxima = local_maxima(reconstruction(level - np.float32(prominence), level))  # type: ignore[no-untyped-call]
    peaks = _large_components((seeds > 0) & maxima, smallest)
    has_peak = np.zeros(int(seeds.max()) + 1, bool)
    has_peak[seeds[peaks > 0]] = has_peak[0] = True
    return np.where(has_peak[seeds], peaks, add_to_ids(seeds, int(peaks.max())))


def _split_at_necks(
    seeds: NDArray[np.int32], sampling: AnyArray, sigma: AnyArray, neck: float
) -> NDArray[np.int32]:
    """Split seeds at narrow necks, so that a gap in a boundary does not merge two objects."""
    split, count = np.zeros_like(seeds), 0
    for number, box in enumerate(ndimage.find_objects(seeds), 1):
        if box is None:
            continue
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        peaks = _thickness_peaks(seeds[around] == number, sampling, sigma, neck)
        parts, part_count = ndimage.label(peaks, np.ones((3,) * peaks.ndim))
        split[around][parts > 0] = parts[parts > 0] + count
        count += part_count
    return split


def _thickness_peaks(
    seed: NDArray[np.bool_], sampling: AnyArray, sigma: AnyArray, neck: float
) -> NDArray[np.bool_]:
    """Where a seed is thick, down to its necks; all of it if it has no peak."""
    from skimage.morphology import local_maxima, reconstruction

    if seed.all():
        return seed
    depth = ndimage.distance_transform_edt(seed, sampling=sampling)
    depth = np.log(ndimage.gaussian_filter(depth, sigma).clip(neck**2))
    peaks = seed & local_maxima(reconstruction(depth + log(neck), depth))  # type: ignore[no-untyped-call]
    return peaks if peaks.any() else seed


def _watershed(
    height: NDArray[np.float32], seeds: NDArray[np.int32], foreground: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """One object per seed; foreground without a seed becomes objects by connected components."""
    from skimage.segmentation import watershed

    labels: NDArray[np.int32] = watershed(-height, seeds, mask=foreground)  # type: ignore[no-untyped-call]
    return labels + _label_components(foreground & (labels == 0), labels.max())


def _score_objects(
    labels: NDArray[np.int32], classes: NDArray[np.float32], least: float
) -> SelectedObjects:
    """Class and score of each object, without small uncertain ones."""
    flat, count = labels.ravel(), int(labels.max()) + 1
    columns = [np.bincount(flat, c.ravel(), count) for c in classes[1:]]
    sums = np.stack(columns, axis=1).astype(np.float64)
    positions, scores, kept = score_objects(np.bincount(flat)[1:], sums[1:], least)
    present, first = np.unique(flat, return_index=True)
    order = present[np.argsort(first)]
    order = order[np.append(False, kept)[order]]
    numbers = np.zeros(count, np.int32)
    numbers[order] = np.arange(1, len(order) + 1)
    return SelectedObjects(numbers[labels], positions[order - 1], scores[order - 1])
