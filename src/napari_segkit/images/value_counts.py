"""Counts of label values, part by part: in little memory, whatever the layout of the arrays."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .types import AnyArray

CHUNK = 2**18  # pixels of a part; their counts and copies fit the processor's cache
SMALL_VALUES = 2**16  # below, values are counted by their place in a table


def chunks(*arrays: AnyArray, size: int = CHUNK) -> Iterator[tuple[AnyArray, ...]]:
    """Flat parts of arrays of one shape, their pixels in the same order."""
    flags = ["external_loop", "buffered", "zerosize_ok"]
    parts = np.nditer(arrays, flags, order="K", buffersize=size)  # type: ignore[call-overload]
    return (part if len(arrays) > 1 else (part,) for part in parts)


def count_values(values: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Distinct values and their pixel counts; fast if the values are small."""
    if values.size and values.max() < SMALL_VALUES:
        counts = count_small_values(values, int(values.max()) + 1)
        present = np.flatnonzero(counts)
        return present, counts[present]
    return np.unique(values, return_counts=True)


def count_small_values(values: AnyArray, length: int) -> NDArray[np.int64]:
    """How often each value from 0 on occurs; `length` is above the highest."""
    counts = np.zeros(length, np.int64)
    for (part,) in chunks(values):
        counts += np.bincount(part.astype(np.intp, copy=False), minlength=length)
    return counts


def distinct_values(values: AnyArray) -> AnyArray:
    """Distinct values, rising."""
    if values.size and values.min() >= 0 and values.max() < SMALL_VALUES:
        return count_values(values)[0]
    found = [np.unique(part) for (part,) in chunks(values)]
    return np.unique(np.concatenate(found)) if found else np.unique(values)
