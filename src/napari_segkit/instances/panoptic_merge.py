"""Panoptic merging: objects and the classes around them as segments that never overlap."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 0.5  # the share of its area that an object must keep


class Segment(NamedTuple):
    """One segment of a panoptic result.

    Parameters
    ----------
    id : int
        Its value in the segments.
    position : int
        Position of its class: among those of the objects for a thing, among those of the
        surroundings for stuff.
    kind : {"thing", "stuff"}
        One object, or all pixels of a class that has no objects.
    score : float
        Mean confidence or mean probability over its pixels.
    pixels : int
        How many there are.
    """

    id: int
    position: int
    kind: Literal["thing", "stuff"]
    score: float
    pixels: int


def merge(
    ids: NDArray[np.int32],
    confidence: NDArray[np.float32],
    class_of: NDArray[np.integer],
    likeliest: NDArray[np.integer],
    probability: NDArray[np.floating],
    *,
    stuff_positions: Sequence[int],
    min_area: int,
) -> tuple[NDArray[np.int32], list[Segment]]:
    """Merge objects with the probabilities of the classes around them.

    A pixel belongs to its object where the object's confidence is at least the probability of the
    likeliest stuff class, else to that class. An object that loses more than half of its area in
    this way is dropped, and all its pixels go to stuff. Stuff of fewer than `min_area` pixels is
    removed. Every pixel is in one segment or in none.

    Parameters
    ----------
    ids : ndarray of int32
        Objects, of shape (Y, X) or (Z, Y, X): ids above 0, each pixel of one object at most.
    confidence : ndarray of float32
        Of the same shape: score of the object times the probability that it covers this pixel, 0
        where there is none.
    class_of : ndarray of int
        ``class_of[id]`` is the position of the object's class.
    likeliest : ndarray of int
        Of the same shape: which stuff class is the likeliest, as an index into `stuff_positions`.
    probability : ndarray of float
        Of the same shape: how likely that one is, 0 where none is there.
    stuff_positions : sequence of int
        The position of each stuff class; there may be none.
    min_area : int
        Fewest pixels of a stuff class.

    Returns
    -------
    segments : ndarray of int32
        Ids from 1 on without gaps: objects in the order of their ids, then stuff in the order
        given. 0 is void: pixels where neither an object nor a stuff class is above 0, and stuff
        that was removed.
    table : list of Segment
        One for each id, in order.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    The rule is the merging of A. Kirillov et al., Panoptic Segmentation, CVPR 2019,
    arXiv:1801.00868, section 4, with two changes: objects come without overlaps among themselves,
    and where an object and stuff compete the more confident one wins and not the object always.
    """
    shapes = {a.shape for a in (ids, confidence, likeliest, probability)}
    if len(shapes) > 1:
        raise ValueError(
            f"Objects of shape {ids.shape} do not fit confidence of {confidence.shape} and stuff "
            f"of {likeliest.shape} and {probability.shape}: give the same shape four times."
        )
    kept = _kept(ids, confidence, probability)
    segments = np.zeros(ids.shape, np.int32)
    owners, places = np.unique(ids[kept], return_inverse=True)
    segments[kept] = places + 1
    rest = ~kept & (probability > 0)
    large = np.bincount(likeliest[rest], minlength=len(stuff_positions)) >= max(min_area, 1)
    new = np.where(large, len(owners) + np.cumsum(large), 0)
    segments[rest] = new[likeliest[rest]]
    positions = [*class_of[owners].tolist(), *np.asarray(stuff_positions, int)[large].tolist()]
    table = _table(segments, np.where(kept, confidence, probability), positions, len(owners))
    return segments, table


def _kept(
    ids: NDArray[np.int32], confidence: NDArray[np.float32], against: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Where objects stand against stuff, without those that lose most of their area."""
    objects = np.maximum(ids, 0)
    won = (ids > 0) & (confidence > 0) & (confidence >= against)
    area = np.bincount(objects.ravel())
    left = np.bincount(objects[won], minlength=len(area))
    return won & (left >= LEAST * area)[objects]


def _table(
    segments: NDArray[np.int32], scores: NDArray[np.floating], positions: Sequence[int], things: int
) -> list[Segment]:
    """One row a segment; `positions` are those of their classes, the first ones those of things."""
    pixels = np.bincount(segments.ravel(), minlength=len(positions) + 1)[1:]
    sums = np.bincount(segments.ravel(), scores.ravel(), minlength=len(positions) + 1)[1:]
    means = (sums / pixels).tolist()
    return [
        Segment(place + 1, position, "thing" if place < things else "stuff", score, count)
        for place, (position, score, count) in enumerate(
            zip(positions, means, pixels.tolist(), strict=True)
        )
    ]
