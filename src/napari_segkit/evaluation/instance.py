"""Instance metrics: objects of prediction and truth, matched one to one."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.steps import Step

from . import matching, semantic
from .base_report import Report, require_equal, require_pixels, unlabelled_text
from .confusion import ratio
from .slab_reader import contingency_tables

if TYPE_CHECKING:
    from pandas import DataFrame

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
PIXEL_CLASSES = {0: "background", 1: "object"}


@dataclass(frozen=True, eq=False)
class InstanceReport(Report):
    """How well the objects of a prediction agree with those of the truth.

    An object is matched (true positive) where its IoU with an object of the other side reaches a
    threshold; matches are one to one. Adding two reports pools their objects: the counts are added,
    and the metrics follow from the sum.

    AP is TP / (TP + FP + FN) at each threshold, as in the Data Science Bowl 2018, StarDist and
    Cellpose (also called accuracy, Jaccard or threat score); it is not the area under a
    precision-recall curve that COCO calls AP, for which predictions need scores.

    Parameters
    ----------
    thresholds : tuple of float
        The lowest IoU of a match, rising.
    counts : ndarray of int64
        TP, FP and FN in a row for each threshold, and in a last row with IoU above 0.5, as for the
        panoptic quality (Kirillov et al. 2019).
    overlap : ndarray of float
        The sum of the IoUs of the matches, for each row of `counts`.
    pairs : ndarray of int64
        A row for each object, matched at the lowest threshold: number of the image, id in the
        truth, id in the prediction; 0 without a match.
    pair_iou : ndarray of float
        IoU of each row of `pairs`, nan without a match.
    pixels : SemanticReport
        The same images pixel by pixel: 0 background, 1 any object.
    left_out : int
        Predicted objects of which more than half is not annotated: without a match they are no
        false positives.
    images : int
        Number of images pooled.
    """

    thresholds: tuple[float, ...]
    counts: NDArray[np.int64]
    overlap: NDArray[np.float64]
    pairs: NDArray[np.int64]
    pair_iou: NDArray[np.float64]
    pixels: semantic.SemanticReport
    left_out: int = 0
    images: int = 1

    @property
    def f1(self) -> dict[float, float]:
        """Threshold -> F1, 2 TP / (2 TP + FP + FN)."""
        return self._by_threshold(matching.f1)

    @property
    def precision(self) -> dict[float, float]:
        """Threshold -> fraction of the predicted objects that are matched."""
        return self._by_threshold(matching.precision)

    @property
    def recall(self) -> dict[float, float]:
        """Threshold -> fraction of the true objects that are matched."""
        return self._by_threshold(matching.recall)

    @property
    def ap(self) -> dict[float, float]:
        """Threshold -> AP, TP / (TP + FP + FN)."""
        return self._by_threshold(matching.average_precision)

    @property
    def matched_iou(self) -> dict[float, float]:
        """Threshold -> mean IoU of the matches, nan where there is none."""
        return self._by_threshold(lambda counts: ratio(self.overlap[:-1], counts[:, 0]))

    @property
    def mean_ap(self) -> float:
        """Mean AP over the thresholds."""
        return float(np.mean([*self.ap.values()]))

    @property
    def pq(self) -> float:
        """Panoptic quality of the objects, all of one class: SQ times RQ."""
        return float(matching.panoptic_quality(self.counts[-1:], self.overlap[-1:])[0])

    @property
    def sq(self) -> float:
        """Segmentation quality: mean IoU of the matches above 0.5, nan where there is none."""
        return float(ratio(self.overlap[-1], self.counts[-1, 0]))

    @property
    def rq(self) -> float:
        """Recognition quality: F1 of the matches above 0.5."""
        return float(matching.f1(self.counts[-1:])[0])

    @property
    def truth_objects(self) -> int:
        """Objects in the truth."""
        return int(self.counts[-1, [0, 2]].sum())

    @property
    def predicted_objects(self) -> int:
        """Predicted objects that are included in the metrics."""
        return int(self.counts[-1, :2].sum())

    @property
    def iou(self) -> dict[int, float]:
        """Intersection over union of the pixels: 0 of background, 1 of any object."""
        return self.pixels.iou

    @property
    def dice(self) -> dict[int, float]:
        """Dice coefficient of the pixels: 0 of background, 1 of any object."""
        return self.pixels.dice

    @property
    def accuracy(self) -> float:
        """Fraction of the pixels that are correctly background or object."""
        return self.pixels.accuracy

    @property
    def unlabelled(self) -> int | None:
        """The value of the truth that is not annotated; None where every pixel counts."""
        return self.pixels.unlabelled

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the metrics."""
        return tuple(_notes(self))

    @property
    def matches(self) -> "DataFrame":
        """A row for each object: image, truth and prediction (ids, 0 without a match), iou."""
        from pandas import DataFrame

        image, truth, prediction = self.pairs.T
        columns = {"image": image, "truth": truth, "prediction": prediction}
        return DataFrame(columns | {"iou": self.pair_iou})

    def table(self) -> "DataFrame":
        """Build a table of the metrics.

        Returns
        -------
        pandas.DataFrame
            A row for each threshold: threshold, f1, precision, recall, ap, matched_iou, hits (TP),
            false_positives, misses (FN). A last row "mean" holds the means over the thresholds, and
            pq, sq and rq.
        """
        return _table(self)

    def _printed_table(self) -> "DataFrame":
        return self.table().drop(columns=["pq", "sq", "rq"])

    def summary(self) -> str:
        """Describe in one sentence how many objects were compared, and the panoptic quality."""
        return (
            f"{self.truth_objects} objects in the truth, {self.predicted_objects} predicted; "
            f"mean AP {self.mean_ap:.4f}; PQ {self.pq:.4f} = SQ {self.sq:.4f} x RQ {self.rq:.4f}; "
            f"{unlabelled_text(self.unlabelled)}."
        )

    def means(self) -> str:
        """Describe the main metrics in one line."""
        lowest = self.thresholds[0]
        return (
            f"F1 {self.f1[lowest]:.4f} and AP {self.ap[lowest]:.4f} at IoU {lowest}, "
            f"mean AP {self.mean_ap:.4f}, PQ {self.pq:.4f}, {self.truth_objects} objects, "
            f"{self.predicted_objects} predicted"
        )

    def __add__(self, other: "InstanceReport") -> "InstanceReport":
        require_equal("thresholds", self.thresholds, other.thresholds)
        shifted = other.pairs + np.array([self.images, 0, 0])
        return replace(
            self,
            pixels=self.pixels + other.pixels,
            counts=self.counts + other.counts,
            overlap=self.overlap + other.overlap,
            pairs=np.concatenate([self.pairs, shifted]),
            pair_iou=np.concatenate([self.pair_iou, other.pair_iou]),
            left_out=self.left_out + other.left_out,
            images=self.images + other.images,
        )

    def _by_threshold(
        self, metric: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    ) -> dict[float, float]:
        return dict(zip(self.thresholds, metric(self.counts[:-1]).tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Generator[Step, None, InstanceReport]:
    """Match the objects of pairs of prediction and truth, and pool them into one report."""
    rising = _sorted_thresholds(thresholds)
    unlabelled = unlabelled or None  # 0 is background
    tables = yield from contingency_tables(pairs, unlabelled, labels_are)
    first, *others = [_report(shared, rising, unlabelled) for shared in tables]
    report = sum(others, first)
    require_pixels(report.pixels.pixels, unlabelled)
    return report


def _table(report: InstanceReport) -> "DataFrame":
    from pandas import DataFrame

    names = ("f1", "precision", "recall", "ap", "matched_iou")
    metrics = {name: [*getattr(report, name).values()] for name in names}
    counts = dict(zip(("hits", "false_positives", "misses"), report.counts[:-1].T, strict=True))
    blank = [nan] * len(report.thresholds)
    table = DataFrame(
        {"threshold": [*report.thresholds, "mean"]}
        | {name: [*values, float(np.mean(values))] for name, values in metrics.items()}
        | {name: [*blank, getattr(report, name)] for name in ("pq", "sq", "rq")}
        | {name: [*column, None] for name, column in counts.items()}
    )
    return table.astype(dict.fromkeys(counts, "Int64"))


def _sorted_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    rising = tuple(sorted({float(t) for t in thresholds}))
    if not rising or not all(0 < t <= 1 for t in rising):
        raise ValueError(
            f"thresholds are {tuple(thresholds)}; give one or more above 0 and at most 1."
        )
    return rising


def _report(
    shared: matching.ContingencyTable, thresholds: tuple[float, ...], unlabelled: int | None
) -> InstanceReport:
    objects = matching.overlapping_objects(shared)
    matches = [matching.match_objects(objects, t) for t in (*thresholds, matching.ABOVE_HALF)]
    pairs, iou = _matched_ids(objects, matches[0])
    return InstanceReport(
        thresholds,
        np.stack([matching.count_matches(objects, m) for m in matches]),
        np.array([objects.iou[m].sum() for m in matches]),
        pairs,
        iou,
        semantic.SemanticReport(
            tuple(PIXEL_CLASSES), matching.foreground_confusion(shared), unlabelled, PIXEL_CLASSES
        ),
        int(objects.left_out.sum()),
    )


def _matched_ids(
    objects: matching.OverlappingObjects, matched: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows (image, truth, prediction) and IoU: matches, unmatched truth, unmatched predictions."""
    row, column = objects.pairs[matched].T
    misses = np.delete(objects.truth, row)
    unmatched = np.delete(objects.prediction, column)[~np.delete(objects.left_out, column)]
    truth = np.concatenate([objects.truth[row], misses, np.zeros_like(unmatched)])
    prediction = np.concatenate([objects.prediction[column], np.zeros_like(misses), unmatched])
    iou = np.full(len(truth), np.nan)
    iou[: len(matched)] = objects.iou[matched]
    return np.column_stack([np.zeros_like(truth), truth, prediction]), iou


def _notes(report: InstanceReport) -> Iterator[str]:
    if report.left_out:
        yield (
            f"{report.left_out} predicted objects lie mostly where the truth is not annotated: "
            "without a match they do not count as false positives."
        )
    for count, side in ((report.truth_objects, "truth"), (report.predicted_objects, "prediction")):
        if not count:
            yield f"The {side} holds no object."
