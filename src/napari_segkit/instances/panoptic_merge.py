"""Panoptic merging of objects and stuff into segments that do not overlap."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels

MIN_KEPT = 0.5  # least fraction of its area that an object keeps


class Segment(NamedTuple):
    """One segment of a panoptic result."""

    id: int
    position: int  # of its class
    kind: Literal["thing", "stuff"]
    score: float  # mean confidence or probability over its pixels
    pixels: int


def merge_segments(
    ids: NDArray[np.int32],
    confidence: NDArray[np.float32],
    class_of: Labels,
    most_likely: Labels,
    probability: NDArray[np.floating],
    *,
    stuff_positions: Sequence[int],
    min_area: int,
) -> tuple[NDArray[np.int32], list[Segment]]:
    """Merge objects with the most likely stuff class of each pixel.

    The rule of Kirillov et al. 2019 (Panoptic Segmentation, arXiv:1801.00868, section 4), but
    objects do not overlap each other, and where an object and stuff compete the more confident one
    wins, ties to the object. An object that loses more than half of its area goes to stuff
    entirely. Stuff of fewer than `min_area` pixels is removed.

    All arrays are ``(Y, X)`` or ``(Z, Y, X)``: `confidence` is the score of the object times its
    mask probability, `most_likely` an index into `stuff_positions`, `probability` that of this
    class. Segments are numbered consecutively, things in the order of their ids, then stuff; 0 is
    void.
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
    positions = [*class_of[things].tolist(), *np.asarray(stuff_positions, int)[large].tolist()]
    table = _segment_table(
        segments, np.where(kept, confidence, probability), positions, len(things)
    )
    return segments, table


def _winning_pixels(
    ids: NDArray[np.int32], confidence: NDArray[np.float32], stuff: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Pixels where objects win against stuff, without objects that lose most of their area."""
    objects = np.maximum(ids, 0)
    won = (ids > 0) & (confidence > 0) & (confidence >= stuff)
    area = np.bincount(objects.ravel())
    left = np.bincount(objects[won], minlength=len(area))
    return won & (left >= MIN_KEPT * area)[objects]


def _segment_table(
    segments: NDArray[np.int32], scores: NDArray[np.floating], positions: Sequence[int], things: int
) -> list[Segment]:
    """One row per segment; `positions` are those of their classes, things first."""
    pixels = np.bincount(segments.ravel(), minlength=len(positions) + 1)[1:]
    sums = np.bincount(segments.ravel(), scores.ravel(), minlength=len(positions) + 1)[1:]
    means = (sums / pixels).tolist()
    return [
        Segment(place + 1, position, "thing" if place < things else "stuff", score, count)
        for place, (position, score, count) in enumerate(
            zip(positions, means, pixels.tolist(), strict=True)
        )
    ]
