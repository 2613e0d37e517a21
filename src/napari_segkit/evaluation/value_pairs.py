"""How often each value of a truth meets each value of a prediction, in one pass."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import AnyArray
from napari_segkit.images.value_counts import CHUNK, SMALL_VALUES, chunks, distinct_values

MOST_CLASSES = 4096
DENSE = 2**9  # so many values in a row are counted without a search for those that occur


@dataclass(frozen=True)
class ValuePairs:
    """Counts of pairs; values that do not occur have none."""

    truth: NDArray[np.int64]  # the value of each row, rising
    prediction: NDArray[np.int64]  # of each column
    counts: NDArray[np.int64]

    @property
    def present(self) -> NDArray[np.int64]:
        """Values that occur on either side, rising."""
        true, predicted = self.counts.any(axis=1), self.counts.any(axis=0)
        return np.union1d(self.truth[true], self.prediction[predicted])


@dataclass(frozen=True)
class _Codes:
    """Small numbers for label values."""

    values: NDArray[np.int64]  # the value of each number, rising

    @cached_property
    def _low(self) -> int:
        return int(self.values[0])

    @cached_property
    def _span(self) -> int:
        """How many values there are from the lowest to the highest."""
        return int(self.values[-1]) - self._low + 1

    @cached_property
    def _ranks(self) -> AnyArray:
        ranks = np.zeros(self._span, np.min_scalar_type(len(self.values)))
        ranks[self.values - self._low] = np.arange(len(self.values))
        return ranks

    def of(self, labels: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
        if self._span > SMALL_VALUES:
            return np.searchsorted(self.values, labels).astype(dtype)
        shifted = np.subtract(labels, self._low, dtype=np.int64) if self._low else labels
        found = shifted if self._span == len(self.values) else self._ranks[shifted]
        return found.astype(dtype)


def count_pairs(prediction: AnyArray, truth: AnyArray) -> ValuePairs:
    """Count the pairs of values of two arrays of one shape; ValueError if there are too many."""
    if not truth.size:
        none = np.zeros(0, np.int64)
        return ValuePairs(none, none, np.zeros((0, 0), np.int64))
    rows, columns = _codes(truth), _codes(prediction)
    _require_few(np.union1d(rows.values, columns.values))
    width, cells = len(columns.values), len(rows.values) * len(columns.values)
    dtype, counts = np.min_scalar_type(cells), np.zeros(cells, np.int64)
    for true, predicted in chunks(truth, prediction, size=max(CHUNK, cells)):
        cell = rows.of(true, dtype) * dtype.type(width)
        cell += columns.of(predicted, dtype)
        counts += np.bincount(cell, minlength=cells)
    return ValuePairs(rows.values, columns.values, counts.reshape(-1, width))


def _codes(labels: AnyArray) -> _Codes:
    low, high = int(labels.min()), int(labels.max())
    is_dense = high - low < DENSE
    values = np.arange(low, high + 1) if is_dense else distinct_values(labels)
    return _Codes(values.astype(np.int64))


def _require_few(values: AnyArray) -> None:
    if len(values) > MOST_CLASSES:
        raise ValueError(
            f"The truth and the prediction hold {len(values)} values, too many for classes: "
            "choose labels_are='objects' to merge all of them into one class."
        )
