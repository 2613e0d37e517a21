"""Semantic metrics: the class of every pixel, compared slab by slab."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.images.classes import classes_of
from napari_segkit.steps import Step

from . import confusion
from .base_report import Report, require_equal, require_pixels, unlabelled_text
from .slab_reader import align_arrays, class_reader, get_labels, slabs

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_CLASSES = 4096


@dataclass(frozen=True, eq=False)
class SemanticReport(Report):
    """How well a prediction agrees with the truth, pixel by pixel.

    Adding two reports pools their pixels: the counts are added, and the metrics follow from the
    sum.

    Parameters
    ----------
    classes : tuple of int
        Class values that occur in the truth or in the prediction, rising.
    counts : ndarray of int64
        Confusion matrix (K, K + 1): rows are the truth, columns the prediction, the last column
        predictions that are none of the classes.
    unlabelled : int or None
        The value of the truth whose pixels are left out; None where every pixel counts.
    names : dict of int to str
        Class value to name, for those that have one.
    cleaned : tuple of str
        What was changed in the values.
    """

    classes: tuple[int, ...]
    counts: NDArray[np.int64]
    unlabelled: int | None = None
    names: dict[int, str] | None = None
    cleaned: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed in the values, and which classes occur on one side only."""
        return (*self.cleaned, *_one_sided(self))

    @property
    def iou(self) -> dict[int, float]:
        """Class value -> intersection over union, nan where absent."""
        return self._by_class(confusion.iou)

    @property
    def dice(self) -> dict[int, float]:
        """Class value -> Dice coefficient, nan where absent."""
        return self._by_class(confusion.dice)

    @property
    def precision(self) -> dict[int, float]:
        """Class value -> fraction of its predicted pixels that are correct, nan without any."""
        return self._by_class(confusion.precision)

    @property
    def recall(self) -> dict[int, float]:
        """Class value -> fraction of its true pixels that are predicted, nan without any."""
        return self._by_class(confusion.recall)

    @property
    def accuracy(self) -> float:
        """Fraction of the pixels whose class is predicted correctly."""
        return confusion.accuracy(self.counts)

    @property
    def pixels(self) -> int:
        """Number of pixels compared."""
        return int(self.counts.sum())

    def table(self) -> "DataFrame":
        """Build a table of the metrics.

        Returns
        -------
        pandas.DataFrame
            A row for each class and a last row "mean". Columns: class, name (where there are
            names), iou, dice, precision, recall, truth_pixels and predicted_pixels.
        """
        from pandas import DataFrame

        names = {"name": [*map((self.names or {}).get, self.classes), None]} if self.names else {}
        ratios = {name: getattr(self, name) for name in ("iou", "dice", "precision", "recall")}
        table = DataFrame(
            {"class": [*self.classes, "mean"]}
            | names
            | {
                name: [*values.values(), confusion.nanmean(values)]
                for name, values in ratios.items()
            }
            | {"truth_pixels": [*confusion.truth_pixels(self.counts), None]}
            | {"predicted_pixels": [*confusion.predicted_pixels(self.counts), None]}
        )
        return table.astype({"truth_pixels": "Int64", "predicted_pixels": "Int64"})

    def summary(self) -> str:
        """Describe in one sentence how many pixels were compared, and the accuracy."""
        return (
            f"{self.pixels:,} pixels, accuracy {self.accuracy:.4f}; "
            f"{unlabelled_text(self.unlabelled)}."
        )

    def means(self) -> str:
        """Describe the mean metrics in one line."""
        return (
            f"mean IoU {self.mean_iou:.4f}, mean Dice {self.mean_dice:.4f}, "
            f"accuracy {self.accuracy:.4f}, {self.pixels} pixels"
        )

    def __add__(self, other: "SemanticReport") -> "SemanticReport":
        require_equal("unlabelled", self.unlabelled, other.unlabelled)
        classes = tuple(sorted({*self.classes, *other.classes}))
        return replace(
            self,
            classes=classes,
            counts=confusion.expand_classes(self.counts, self.classes, classes)
            + confusion.expand_classes(other.counts, other.classes, classes),
            names=(other.names or {}) | (self.names or {}),
            cleaned=tuple(dict.fromkeys(self.cleaned + other.cleaned)),
        )

    def _by_class(self, metric: Callable[[Any], NDArray[np.float64]]) -> dict[int, float]:
        return dict(zip(self.classes, metric(self.counts).tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, SemanticReport]:
    """Compare pairs of prediction and truth slab by slab, and pool them into one report."""
    arrays = [align_arrays(*pair) for pair in pairs]
    slabs_of_pairs = [slabs(*pair) for pair in arrays]
    total, done = sum(map(len, slabs_of_pairs)), 0
    report = SemanticReport((), np.zeros((0, 1), np.int64), unlabelled)
    for (prediction, truth), slabs_of_pair in zip(arrays, slabs_of_pairs, strict=True):
        read_truth, truth_notes = class_reader(truth, "truth", unlabelled, labels_are)
        read_prediction, notes = class_reader(prediction, "prediction", unlabelled, labels_are)
        notes = report.cleaned + truth_notes + notes
        report = replace(report, cleaned=tuple(dict.fromkeys(notes)))
        for slab in slabs_of_pair:
            report += _count(read_prediction(slab), read_truth(slab), unlabelled)
            done += 1
            yield Step(done, total)
    return _add_class_names(report, get_labels(pairs[0][1]))


def _count(prediction: NDArray[Any], truth: NDArray[Any], unlabelled: int | None) -> SemanticReport:
    present = np.union1d(np.unique(truth), np.unique(prediction))
    values = [int(v) for v in present if v != unlabelled]
    if len(values) > MOST_CLASSES:
        raise ValueError(
            f"The truth and the prediction hold {len(values)} values, too many for classes: "
            "choose labels_are='objects' to merge all of them into one class."
        )
    return SemanticReport(
        tuple(values), confusion.confusion_matrix(prediction, truth, values), unlabelled
    )


def _add_class_names(report: SemanticReport, truth: Any) -> SemanticReport:
    require_pixels(report.pixels, report.unlabelled)
    classes = classes_of(truth, report.classes)
    names = {c.value: c.name for c in classes if c.name != f"class {c.value}"}
    return replace(report, names=names)


def _one_sided(report: SemanticReport) -> Iterator[str]:
    true, predicted = (
        confusion.truth_pixels(report.counts),
        confusion.predicted_pixels(report.counts),
    )
    for value, t, p in zip(report.classes, true, predicted, strict=True):
        if t and not p:
            yield f"Class {value} is in the truth but nowhere in the prediction."
        if p and not t:
            yield f"Class {value} is in the prediction but nowhere in the truth."
