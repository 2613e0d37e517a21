"""Instance ids that start anew in each slice of a stack, as programs give that work in 2D."""

from itertools import pairwise

import numpy as np

from .types import AnyArray

SAME_REGION = 0.9  # classes and ids of volumes go on from slice to slice; others do by chance
CLASSES_AT_MOST = 12  # so few values may be classes that have one region in every slice
NUMBERED = 0.9


def planes_of(values: AnyArray) -> AnyArray:
    """All planes of label values, (n, Y, X)."""
    return values.reshape(-1, *values.shape[-2:])


def ids_start_anew(values: AnyArray) -> bool:
    """Whether values look numbered in each plane; 0 is background.

    They are elsewhere in the next plane, and are too many for classes or numbered from 1. Whether
    each is one connected component is for the caller to check.
    """
    planes = planes_of(values)
    present = [ids for plane in planes if len(ids := _ids(plane))]
    if len(present) < 2 or _shared_regions(planes) > SAME_REGION:
        return False
    if len(set().union(*present)) > CLASSES_AT_MOST:
        return True
    from_one = [max(ids) == len(ids) for ids in present]
    return bool(np.mean(from_one) >= NUMBERED and len(set(map(len, present))) > 1)


def _ids(plane: AnyArray) -> set[int]:
    return set(np.unique(plane).tolist()) - {0}


def _shared_regions(planes: AnyArray) -> float:
    """Share of the values of two neighbouring planes that have a pixel in common."""
    common = same = 0
    for before, after in pairwise(planes):
        common += len(_ids(before) & _ids(after))
        same += len(_ids(before[before == after]))
    return same / common if common else 0.0
