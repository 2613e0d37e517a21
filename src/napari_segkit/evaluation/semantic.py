"""Semantic figures: the class of every pixel, compared block by block."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.images.classes import classes_of
from napari_segkit.steps import Step

from . import confusion as figures
from .slab_reader import aligned, labels_of, reader, slabs

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_CLASSES = 4096


@dataclass(frozen=True, eq=False)
class Report:
    """How well a prediction agrees with the truth, pixel by pixel.

    Adding two reports pools their pixels: the counts are added, the figures follow.

    Parameters
    ----------
    classes : tuple of int
        Class values that occur in the truth or in the prediction, in increasing order.
    counts : ndarray of int64
        Shape (K, K + 1), as `confusion` counts: rows are the truth, columns the prediction, the
        last column predictions that are no class.
    unlabelled : int or None
        The value of the truth whose pixels were not counted; None where every pixel was.
    names : dict of int to str
        Class value to name, for those that have one.
    cleaned : tuple of str
        What was done to the values.
    """

    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    unlabelled: int | None = None
    names: dict[int, str] | None = None
    cleaned: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the values, and which classes occur on one side only."""
        return (*self.cleaned, *_one_sided(self))

    @property
    def iou(self) -> dict[int, float]:
        """Class value -> intersection over union, nan where absent."""
        return self._by_class(figures.iou)

    @property
    def dice(self) -> dict[int, float]:
        """Class value -> Dice coefficient, nan where absent."""
        return self._by_class(figures.dice)

    @property
    def precision(self) -> dict[int, float]:
        """Class value -> part of its predicted pixels that are right, nan where never predicted."""
        return self._by_class(figures.precision)

    @property
    def recall(self) -> dict[int, float]:
        """Class value -> part of its true pixels that were found, nan where the truth has none."""
        return self._by_class(figures.recall)

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that occur."""
        return figures.mean(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the classes that occur."""
        return figures.mean(self.dice)

    @property
    def accuracy(self) -> float:
        """Part of the counted pixels whose class was predicted."""
        return figures.accuracy(self.counts)

    @property
    def pixels(self) -> int:
        """Counted pixels."""
        return int(self.counts.sum())

    def table(self) -> "DataFrame":
        """Build a table of the figures.

        Returns
        -------
        pandas.DataFrame
            A row for each class and a last row "mean". Columns: class, name (where there are
            names), iou, dice, precision, recall, and the counted pixels of the class in the truth
            and in the prediction.
        """
        from pandas import DataFrame

        names = {"name": [*map((self.names or {}).get, self.classes), None]} if self.names else {}
        ratios = {name: getattr(self, name) for name in ("iou", "dice", "precision", "recall")}
        table = DataFrame(
            {"class": [*self.classes, "mean"]}
            | names
            | {name: [*values.values(), figures.mean(values)] for name, values in ratios.items()}
            | {"truth_pixels": [*figures.in_truth(self.counts), None]}
            | {"predicted_pixels": [*figures.in_prediction(self.counts), None]}
        )
        return table.astype({"truth_pixels": "Int64", "predicted_pixels": "Int64"})

    def __str__(self) -> str:
        table = self.table().astype(object).fillna("")
        shown = table.to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([shown, self.summary(), *self.notes])

    def summary(self) -> str:
        """Say in one sentence how many pixels were counted, which not, and the accuracy."""
        choice = "every pixel counts" if self.unlabelled is None else "its pixels are not counted"
        return (
            f"{self.pixels} pixels, accuracy {self.accuracy:.4f}; "
            f"unlabelled={self.unlabelled} ({choice})."
        )

    def means(self) -> str:
        """Say the mean figures in one line."""
        return (
            f"mean IoU {self.mean_iou:.4f}, mean Dice {self.mean_dice:.4f}, "
            f"accuracy {self.accuracy:.4f}, {self.pixels} pixels"
        )

    def __add__(self, other: "Report") -> "Report":
        if other.unlabelled != self.unlabelled:
            raise ValueError(
                f"Reports with unlabelled={self.unlabelled} and unlabelled={other.unlabelled} "
                "cannot be pooled: make both with the same."
            )
        classes = tuple(sorted({*self.classes, *other.classes}))
        return replace(
            self,
            classes=classes,
            counts=figures.widen(self.counts, self.classes, classes)
            + figures.widen(other.counts, other.classes, classes),
            names=(other.names or {}) | (self.names or {}),
            cleaned=tuple(dict.fromkeys(self.cleaned + other.cleaned)),
        )

    def _by_class(self, figure: Callable[[Any], NDArray[np.float64]]) -> dict[int, float]:
        return dict(zip(self.classes, figure(self.counts).tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, Report]:
    """Count pairs of prediction and truth block by block and pool them into one report.

    Parameters
    ----------
    pairs : sequence of tuple
        Predictions with their truths: arrays or layers.
    unlabelled, labels_are, spacing
        As in `evaluate`.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    Report
        Of all pairs together.
    """
    arrays = [aligned(*pair) for pair in pairs]
    blocks = [slabs(*pair) for pair in arrays]
    total, done = sum(map(len, blocks)), 0
    report = Report((), np.zeros((0, 1), np.int64), unlabelled)
    for (prediction, truth), parts in zip(arrays, blocks, strict=True):
        read_truth, grey = reader(truth, "truth", unlabelled, labels_are)
        read_prediction, more = reader(prediction, "prediction", unlabelled, labels_are)
        report = replace(report, cleaned=tuple(dict.fromkeys(report.cleaned + grey + more)))
        for part in parts:
            report += _count(read_prediction(part), read_truth(part), unlabelled)
            done += 1
            yield Step(done, total)
    return _finish(report, labels_of(pairs[0][1]))


def _count(prediction: NDArray[Any], truth: NDArray[Any], unlabelled: int | None) -> Report:
    present = np.union1d(np.unique(truth), np.unique(prediction))
    values = [int(v) for v in present if v != unlabelled]
    if len(values) > MOST_CLASSES:
        raise ValueError(
            f"The truth and the prediction hold {len(values)} values, too many for classes: "
            "choose labels_are='objects' to take all of them as one class."
        )
    return Report(tuple(values), figures.confusion(prediction, truth, values), unlabelled)


def require_pixels(pixels: int, unlabelled: int | None) -> None:
    """Refuse a truth where nothing is labelled."""
    if not pixels:
        raise ValueError(
            f"Nothing to compare: every pixel of the truth is {unlabelled}, which means unlabelled."
        )


def _finish(report: Report, truth: Any) -> Report:
    """Refuse a report of nothing; add the names of the classes."""
    require_pixels(report.pixels, report.unlabelled)
    found = classes_of(truth, report.classes)
    names = {c.value: c.name for c in found if c.name != f"class {c.value}"}
    return replace(report, names=names)


def _one_sided(report: Report) -> Iterator[str]:
    true, guessed = figures.in_truth(report.counts), figures.in_prediction(report.counts)
    for value, t, p in zip(report.classes, true, guessed, strict=True):
        if t and not p:
            yield f"Class {value} is in the truth but nowhere in the prediction."
        if p and not t:
            yield f"Class {value} is in the prediction but nowhere in the truth."
