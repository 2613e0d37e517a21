"""Contingency tables: the pixels that true and predicted objects share."""

from abc import abstractmethod
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels

from .confusion import Counts
from .metric import ImageInfo, Index, Metric

VOID = -1

Ids = NDArray[np.int64]


class Additive(Protocol):
    def __add__(self, other: Self, /) -> Self: ...


C = TypeVar("C", bound=Additive)


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Sparse table of the pixels that true and predicted objects share; blocks add up."""

    truth: Ids  # 0 background, -1 not annotated
    prediction: Ids
    pixels: Counts  # of each pair, 1 or more

    def __add__(self, other: "ContingencyTable") -> "ContingencyTable":
        return sum_duplicates(
            np.append(self.truth, other.truth),
            np.append(self.prediction, other.prediction),
            np.append(self.pixels, other.pixels),
        )


class ContingencyMetric(Metric, Generic[C]):
    """A metric whose counts follow from the contingency table of an entire image."""

    def __init__(self, image: ImageInfo) -> None:
        nothing = np.zeros(0, np.int64)
        self._shared = ContingencyTable(nothing, nothing, nothing)

    def update(self, prediction: Labels, truth: Labels, core: Index) -> None:
        self._shared += contingency_table(prediction[core], truth[core])

    def finish(self) -> None:
        _ = self.counts

    @cached_property
    def counts(self) -> C:
        """Counts of the image, or their sum over images; read after the last slab."""
        return self.count(self._shared)

    @abstractmethod
    def count(self, shared: ContingencyTable) -> C:
        """Counts of one image, which add up over images."""

    def __add__(self, other: Self) -> Self:
        pooled = copy(self)
        pooled.counts = self.counts + other.counts
        return pooled


def contingency_table(prediction: Labels, truth: Labels) -> ContingencyTable:
    """Count the pixels that objects share; ids are 0 for background and -1 if not annotated."""
    predicted, true = prediction.ravel(), truth.ravel()
    ends = np.flatnonzero((true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])) + 1
    starts = np.append(0, ends)[: true.size]  # runs of equal pairs: far fewer than pixels
    lengths = np.diff(starts, append=true.size)
    return sum_duplicates(
        true[starts].astype(np.int64), predicted[starts].astype(np.int64), lengths
    )


def sum_duplicates(truth: Ids, prediction: Ids, pixels: Counts) -> ContingencyTable:
    """Build a contingency table, summing the pixels of repeated pairs."""
    (rows, row), (columns, column) = (
        np.unique(ids, return_inverse=True) for ids in (truth, prediction)
    )
    width = max(1, len(columns))
    cells, cell = np.unique(row * width + column, return_inverse=True)
    sums = np.zeros(len(cells), np.int64)
    np.add.at(sums, cell, pixels)
    return ContingencyTable(rows[cells // width], columns[cells % width], sums)


def foreground_confusion(shared: ContingencyTable) -> Counts:
    """Confusion matrix ``(2, 3)`` of background and any object, over annotated pixels."""
    counts = np.zeros((2, 3), np.int64)
    annotated = shared.truth != VOID
    cells = (
        (shared.truth[annotated] > 0).astype(int),
        (shared.prediction[annotated] > 0).astype(int),
    )
    np.add.at(counts, cells, shared.pixels[annotated])
    return counts
