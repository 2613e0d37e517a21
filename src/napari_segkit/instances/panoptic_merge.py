"""Panoptic merging of objects and stuff into segments that do not overlap."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels

from .candidates import SelectedObjects

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
    kept = _winning_pixels(ids, confidence, probability)
    segments = np.zeros(ids.shape, np.int32)
    things, index = np.unique(ids[kept], return_inverse=True)
    segments[kept] = index + 1
    rest = ~kept & (probability > 0)
    large = np.bincount(most_likely[rest], minlength=len(stuff_positions)) >= max(min_area, 1)
    new = np.where(large, len(things) + np.cumsum(large), 0)
    segments[rest] = new[most_likely[rest]]
    positions = np.append(class_of[things], np.asarray(stuff_positions, np.intp)[large])
    scores, count = np.where(kept, confidence, probability), len(positions) + 1
    pixels = np.bincount(segments.ravel(), minlength=count)[1:]
    sums = np.bincount(segments.ravel(), scores.ravel(), minlength=count)[1:]
    return SelectedObjects(
        segments,
        positions.astype(np.intp),
        (sums / pixels).astype(np.float32),
        np.arange(len(positions)) >= len(things),
    )


def _winning_pixels(
    ids: NDArray[np.int32], confidence: NDArray[np.float32], stuff: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Pixels where objects win against stuff, without objects that lose most of their area."""
    objects = np.maximum(ids, 0)
    won = (ids > 0) & (confidence > 0) & (confidence >= stuff)
    area = np.bincount(objects.ravel())
    left = np.bincount(objects[won], minlength=len(area))
    return won & (left >= MIN_KEPT * area)[objects]
