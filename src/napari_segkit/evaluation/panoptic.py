"""Panoptic metrics: segments of each class, single things and stuff."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.steps import Step

from . import matching
from .base_report import Report, require_equal, require_pixels, unlabelled_text
from .confusion import Counts, Floats, nanmean, ratio
from .panoptic_counts import count_segments, read_segments
from .slab_reader import contingency_tables

if TYPE_CHECKING:
    from pandas import DataFrame

METRICS = ("pq", "sq", "rq", "iou", "dice")
COUNTS = ("hits", "false_positives", "misses", "truth_pixels", "predicted_pixels")


@dataclass(frozen=True, eq=False)
class PanopticReport(Report):
    """How well the segments of a prediction agree with those of the truth, class by class.

    The panoptic quality of Kirillov et al. (2019): a segment is matched where its IoU with one of
    the same class is above 0.5. Adding two reports pools their segments: the counts are added, and
    the metrics follow from the sum.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes that occur in the truth or in the prediction, in alphabetical order.
    kinds : tuple of str
        "thing" or "stuff" for each class.
    counts : ndarray of int64
        TP, FP and FN of each class.
    overlap : ndarray of float
        The sum of the IoUs of the matches of each class.
    pixels : ndarray of int64
        For each class: pixels where truth and prediction agree, those of the truth, and those
        predicted.
    counted : ndarray of int64
        Pixels whose class (or background) is predicted correctly, and all that are compared.
    unlabelled : int or None
        The value of the truth that is not annotated; None where every pixel counts.
    left_out : int
        Predicted segments that are mostly not annotated, or in a crowd of their class: without a
        match they are no false positives.
    """

    classes: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: Counts
    overlap: Floats
    pixels: Counts
    counted: Counts
    unlabelled: int | None = None
    left_out: int = 0

    @property
    def pq(self) -> dict[str, float]:
        """Class -> panoptic quality, SQ times RQ; nan where there is no segment."""
        return self._by_class(matching.panoptic_quality(self.counts, self.overlap))

    @property
    def sq(self) -> dict[str, float]:
        """Class -> segmentation quality, the mean IoU of its matches; nan where there is none."""
        return self._by_class(ratio(self.overlap, self.counts[:, 0]))

    @property
    def rq(self) -> dict[str, float]:
        """Class -> recognition quality, F1 of its segments; nan where there is none."""
        return self._by_class(matching.f1(self.counts))

    @property
    def mean_pq(self) -> float:
        """Mean PQ of the classes that occur."""
        return nanmean(self.pq)

    @property
    def mean_sq(self) -> float:
        """Mean SQ of the classes that have a match; COCO's script takes 0 for the others."""
        return nanmean(self.sq)

    @property
    def mean_rq(self) -> float:
        """Mean RQ of the classes that occur."""
        return nanmean(self.rq)

    @property
    def things(self) -> "PanopticReport":
        """The same for thing classes only."""
        return self._only("thing")

    @property
    def stuff(self) -> "PanopticReport":
        """The same for stuff classes only."""
        return self._only("stuff")

    @property
    def truth_objects(self) -> int:
        """Segments in the truth."""
        return int(self.counts[:, [0, 2]].sum())

    @property
    def predicted_objects(self) -> int:
        """Predicted segments that are included in the metrics."""
        return int(self.counts[:, :2].sum())

    @property
    def iou(self) -> dict[str, float]:
        """Class -> intersection over union of its pixels, nan where absent."""
        shared, true, predicted = self.pixels.T
        return self._by_class(ratio(shared, true + predicted - shared))

    @property
    def dice(self) -> dict[str, float]:
        """Class -> Dice coefficient of its pixels, nan where absent."""
        shared, true, predicted = self.pixels.T
        return self._by_class(ratio(2 * shared, true + predicted))

    @property
    def accuracy(self) -> float:
        """Fraction of the pixels whose class, or background, is predicted correctly."""
        return float(ratio(*self.counted))

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the metrics."""
        return tuple(_notes(self))

    def table(self) -> "DataFrame":
        """Build a table of the metrics.

        Returns
        -------
        pandas.DataFrame
            A row for each class: class, kind, pq, sq, rq, then iou and dice of its pixels,
            hits (TP), false_positives, misses (FN), truth_pixels and predicted_pixels. Rows
            "mean" follow: of all classes and, where both occur, of things and of stuff.
        """
        return _table(self)

    def summary(self) -> str:
        """Describe in one sentence how many segments were compared, and the mean PQ."""
        return (
            f"{self.truth_objects} segments in the truth, {self.predicted_objects} predicted; "
            f"mean PQ {self.mean_pq:.4f}; {unlabelled_text(self.unlabelled)}."
        )

    def means(self) -> str:
        """Describe the mean metrics in one line."""
        return (
            f"mean PQ {self.mean_pq:.4f}, mean SQ {self.mean_sq:.4f}, mean RQ {self.mean_rq:.4f}, "
            f"{self.truth_objects} segments, {self.predicted_objects} predicted"
        )

    def __add__(self, other: "PanopticReport") -> "PanopticReport":
        require_equal("unlabelled", self.unlabelled, other.unlabelled)
        kinds = _kinds(other) | _kinds(self)
        classes = tuple(sorted(kinds))
        counts, overlap, pixels = (
            _expand_rows(getattr(self, name), self.classes, classes)
            + _expand_rows(getattr(other, name), other.classes, classes)
            for name in ("counts", "overlap", "pixels")
        )
        return replace(
            self,
            classes=classes,
            kinds=tuple(kinds[c] for c in classes),
            counts=counts,
            overlap=overlap,
            pixels=pixels,
            counted=self.counted + other.counted,
            left_out=self.left_out + other.left_out,
        )

    def _only(self, kind: str) -> "PanopticReport":
        kept = np.array([k == kind for k in self.kinds], bool)
        classes = tuple(c for c, keep in zip(self.classes, kept, strict=True) if keep)
        return replace(
            self,
            classes=classes,
            kinds=(kind,) * len(classes),
            counts=self.counts[kept],
            overlap=self.overlap[kept],
            pixels=self.pixels[kept],
        )

    def _by_class(self, metrics: Floats) -> dict[str, float]:
        return dict(zip(self.classes, metrics.tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, PanopticReport]:
    """Match the segments of pairs of prediction and truth, and pool them into one report.

    0 may be unlabelled, which COCO calls void.
    """
    if labels_are == "classes":
        raise ValueError(
            "kind='panoptic' takes values as ids of segments, so labels_are cannot be 'classes': "
            "leave it out, and name the class of each segment in the features."
        )
    segments = [(read_segments(p, "prediction"), read_segments(t, "truth")) for p, t in pairs]
    tables = yield from contingency_tables(pairs, unlabelled, "objects")
    first, *others = [
        PanopticReport(**count_segments(shared, *sides, unlabelled), unlabelled=unlabelled)
        for shared, sides in zip(tables, segments, strict=True)
    ]
    report = sum(others, first)
    require_pixels(int(report.counted[1]), unlabelled)
    return report


def _table(report: PanopticReport) -> "DataFrame":
    from pandas import DataFrame, concat

    metrics = {name: [*getattr(report, name).values()] for name in METRICS}
    columns = np.column_stack([report.counts, report.pixels[:, 1:]]).T
    counts = dict(zip(COUNTS, columns, strict=True))
    table = DataFrame({"class": report.classes, "kind": report.kinds} | metrics | counts)
    parts = {"": report} | {k: report._only(k) for k in ("thing", "stuff") if k in report.kinds}
    rows = [
        {"class": "mean", "kind": kind}
        | {name: nanmean(getattr(part, name)) for name in METRICS}
        | dict.fromkeys(COUNTS)
        for kind, part in (parts if len(parts) > 2 else {"": report}).items()
    ]
    integers = dict.fromkeys(COUNTS, "Int64")
    return concat([table.astype(integers), DataFrame(rows).astype(integers)], ignore_index=True)


def _kinds(report: PanopticReport) -> dict[str, str]:
    return dict(zip(report.classes, report.kinds, strict=True))


def _expand_rows(
    counts: NDArray[Any], classes: Sequence[str], all_classes: Sequence[str]
) -> NDArray[Any]:
    """Expand rows of counts to more classes."""
    result = np.zeros((len(all_classes), *counts.shape[1:]), counts.dtype)
    result[[all_classes.index(c) for c in classes]] = counts
    return result


def _notes(report: PanopticReport) -> Iterator[str]:
    if report.left_out:
        yield (
            f"{report.left_out} predicted segments lie mostly where the truth is not annotated or "
            "in a crowd: without a match they do not count as false positives."
        )
    for name, (_, true, predicted) in zip(report.classes, report.pixels, strict=True):
        if true and not predicted:
            yield f"Class {name!r} is in the truth but nowhere in the prediction."
        if predicted and not true:
            yield f"Class {name!r} is in the prediction but nowhere in the truth."
