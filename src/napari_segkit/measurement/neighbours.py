"""Label values that touch each other."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import rank_values
from napari_segkit.images.types import Labels
from napari_segkit.images.value_counts import count_values

Pairs = NDArray[np.int64]  # (pairs, 2), the lower value first


def touching_pairs(labels: Labels, core: Sequence[int], left_out: Collection[int]) -> Pairs:
    """Pairs of different values on both sides of an edge (face) of the pixels of a block.

    The labels may have one further pixel at the end of each axis, beyond the `core`, for what
    touches the next block.
    """
    present = count_values(labels)[0]
    ranks, count = rank_values(labels, present), len(present)
    codes = [_codes(ranks, core, axis, count) for axis in range(labels.ndim)]
    pairs = np.stack(np.divmod(np.unique(np.concatenate(codes)), count), axis=1)
    found = present[pairs].astype(np.int64)
    return found[~np.isin(found, list(left_out)).any(axis=1)]


def join_pairs(parts: Sequence[Pairs]) -> Pairs:
    """The different pairs of all blocks."""
    return np.unique(np.concatenate(parts), axis=0) if parts else np.zeros((0, 2), np.int64)


def neighbour_columns(values: NDArray[np.int64], pairs: Pairs) -> dict[str, list[object]]:
    """How many values touch each of these, and which, separated by spaces."""
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort(both.T[::-1])]
    starts, ends = (np.searchsorted(both[:, 0], values, side) for side in ("left", "right"))
    found = [both[a:b, 1].tolist() for a, b in zip(starts, ends, strict=True)]
    return {
        "neighbours": [len(others) for others in found],
        "touching": [" ".join(map(str, others)) for others in found],
    }


def _codes(ranks: NDArray[np.intp], core: Sequence[int], axis: int, count: int) -> NDArray[np.intp]:
    """Pairs along an axis as numbers."""
    within = [slice(0, length) for length in core]
    ends = slice(0, ranks.shape[axis] - 1), slice(1, ranks.shape[axis])
    first, second = (ranks[(*within[:axis], end, *within[axis + 1 :])] for end in ends)
    differ = first != second
    low, high = np.sort([first[differ], second[differ]], axis=0)
    return np.unique(low * count + high)
