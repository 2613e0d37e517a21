"""Masks as run-lengths: short to store, as JSON holds them."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**24  # pixels of a mask whose runs are found at once, about


def to_runs(mask: NDArray[np.bool_], most: int | None = None) -> list[int]:
    """Lengths of the runs of a mask in C order, false and true in turn, false first.

    If there are more than `most`, the shortest gaps between true pixels are closed.
    """
    edges = _edges(mask)
    starts, stops = edges[::2], edges[1::2]
    if most is not None and len(edges) > most:
        gaps = starts[1:] - stops[:-1]
        kept = np.sort(np.argsort(-gaps, kind="stable")[: max(0, most // 2 - 1)])
        starts = np.concatenate([starts[:1], starts[1:][kept]])
        stops = np.concatenate([stops[:-1][kept], stops[-1:]])
    edges = np.stack([starts, stops], axis=1).ravel()
    return [int(length) for length in np.diff(edges, prepend=0)]


def from_runs(runs: Sequence[int], shape: Sequence[int]) -> NDArray[np.bool_]:
    """The mask of a shape with these runs; ValueError if they do not fit in it."""
    edges = np.cumsum(runs)
    if any(type(n) is not int or n < 0 for n in runs) or (len(runs) and edges[-1] > prod(shape)):
        raise ValueError("invalid run-lengths")
    mask = np.zeros(prod(shape), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        mask[start:stop] = True
    return mask.reshape(shape)


def _edges(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the values of a mask change in C order; what is beside it is false."""
    found: list[NDArray[np.int64]] = []
    start, last = 0, False
    for rows in np.array_split(mask, max(1, mask.size // BLOCK)):
        flat = rows.ravel()
        found.append(start + np.flatnonzero(np.diff(flat, prepend=last)))
        start, last = start + flat.size, bool(flat[-1]) if flat.size else last
    ends = np.array([start] if last else [], np.int64)
    return np.concatenate([*found, ends])
