"""Panoptic merging of objects and stuff into segments that do not overlap."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels

from .candidates import SelectedObjects
from .object_rows import numbers_of

MIN_KEPT = 0.5  # least fraction of its area that an object keeps


def merge_segments(
    ids: NDArray[np.int32],
    confidence: NDArray[np.float32],
    class_of: Labels,
    most_likely: Labels,
    probability: NDArray[np.floating],
    *,
    stuff_positions: Sequence[int],
    min_area: int,
) -> SelectedObjects:
    """Merge objects with the most likely stuff class of each pixel.

    The rule of Kirillov et al. 2019 (Panoptic Segmentation, arXiv:1801.00868, section 4), but
    objects do not overlap each other, and where an object and stuff compete the more confident one
    wins, ties to the object. An object that loses more than half of its area goes to stuff
    entirely. Stuff of fewer than `min_area` pixels is removed.

    All arrays are ``(Y, X)`` or ``(Z, Y, X)``: `confidence` is the score of the object times its
    mask probability, `most_likely` an index into `stuff_positions`, `probability` that of this
    class. Segments are numbered consecutively, things in the order of their ids, then stuff; 0 is
    void. Their scores are the mean confidence or probability over their pixels.
    """
    shapes = {a.shape for a in (ids, confidence, most_likely, probability)}
    if len(shapes) > 1:
        raise ValueError(
            f"Objects of shape {ids.shape} do not fit confidence of {confidence.shape} and stuff "
            f"of {most_likely.shape} and {probability.shape}: give the same shape to all four."
        )
    things = int(ids.max(initial=0))
    won = won_pixels(ids, confidence, probability)
    areas, left = (np.bincount(ids[mask], minlength=things + 1) for mask in (ids > 0, won))
    kept = won & are_kept(areas, left)[ids.clip(0)]
    segments, scores = segments_of(ids, confidence, most_likely, probability, kept, things)
    last, values = things + len(stuff_positions), segments.ravel()
    pixels = np.bincount(values, minlength=last + 1)[1:]
    sums = np.bincount(values, scores.ravel(), last + 1)[1:]
    positions = np.append(class_of[1 : things + 1], np.asarray(stuff_positions, np.intp))
    large = are_large(pixels, things, min_area)
    return SelectedObjects(
        numbers_of(large)[segments],
        positions[large].astype(np.intp),
        (sums[large] / pixels[large]).astype(np.float32),
        np.arange(last)[large] >= things,
    )


def won_pixels(
    ids: NDArray[np.int32], confidence: NDArray[np.float32], stuff: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Pixels where objects win against stuff."""
    return np.asarray((ids > 0) & (confidence > 0) & (confidence >= stuff))


def are_kept(areas: NDArray[np.integer], left: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which objects keep enough of their area, by the pixels that they have and that they won."""
    return np.asarray(left >= MIN_KEPT * areas)


def segments_of(
    ids: NDArray[np.int32],
    confidence: NDArray[np.float32],
    most_likely: Labels,
    probability: NDArray[np.floating],
    kept: NDArray[np.bool_],
    last: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Ids of objects where these are kept, else the number of the stuff class after the last id.

    Also the score of each pixel.
    """
    stuff = np.where(probability > 0, last + 1 + most_likely.astype(np.int32), 0)
    segments = np.where(kept, ids, stuff).astype(np.int32)
    return segments, np.where(kept, confidence, probability).astype(np.float32)


def are_large(pixels: NDArray[np.integer], things: int, min_area: int) -> NDArray[np.bool_]:
    """Which segments of so many pixels stay: things that have any, and stuff of enough."""
    least = np.where(np.arange(len(pixels)) < things, 1, max(min_area, 1))
    return np.asarray(pixels >= least)
