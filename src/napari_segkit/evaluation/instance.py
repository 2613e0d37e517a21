"""Figures of objects: those of the truth matched with those of the prediction, one to one."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.steps import Step

from . import matching, semantic
from .confusion import ratio
from .slab_reader import shared_pixels

if TYPE_CHECKING:
    from pandas import DataFrame

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
PIXELS = {0: "background", 1: "object"}


@dataclass(frozen=True, eq=False)
class Report:
    """How well the objects of a prediction agree with those of the truth.

    An object is a hit where its IoU with an object of the other side reaches a threshold; each
    object is in one pair at most. Adding two reports pools their objects: the counts are added,
    the figures follow.

    AP is TP / (TP + FP + FN) at each threshold, as the Data Science Bowl 2018, StarDist and
    Cellpose count it (other names: accuracy, Jaccard or threat score); it is not the area under
    a precision-recall curve that COCO calls AP, for which predictions need scores.

    Parameters
    ----------
    thresholds : tuple of float
        The lowest IoU of a hit, rising.
    counts : ndarray of int64
        TP, FP and FN in a row for each threshold, and in a last row with IoU above 0.5, as the
        panoptic quality counts (Kirillov et al. 2019).
    overlap : ndarray of float
        The sum of the IoUs of the hits, for each row of `counts`.
    pairs : ndarray of int64
        A row for each object, paired at the lowest threshold: number of the image, id in the
        truth, id in the prediction; 0 where the other side has no partner.
    pair_iou : ndarray of float
        IoU of each row of `pairs`, nan without a partner.
    pixels : semantic.Report
        The same images pixel by pixel: 0 background, 1 any object.
    left_out : int
        Predicted objects of which more than half is not annotated: where they have no partner
        they are no false positives.
    images : int
        Number of images pooled.
    """

    thresholds: tuple[float, ...]
    counts: NDArray[np.int64]
    overlap: NDArray[np.float64]
    pairs: NDArray[np.int64]
    pair_iou: NDArray[np.float64]
    pixels: semantic.Report
    left_out: int = 0
    images: int = 1

    @property
    def f1(self) -> dict[float, float]:
        """Threshold -> F1, 2 TP / (2 TP + FP + FN)."""
        return self._by_threshold(matching.f1)

    @property
    def precision(self) -> dict[float, float]:
        """Threshold -> part of the predicted objects that are hits."""
        return self._by_threshold(matching.precision)

    @property
    def recall(self) -> dict[float, float]:
        """Threshold -> part of the true objects that are hit."""
        return self._by_threshold(matching.recall)

    @property
    def ap(self) -> dict[float, float]:
        """Threshold -> AP, TP / (TP + FP + FN)."""
        return self._by_threshold(matching.average_precision)

    @property
    def matched_iou(self) -> dict[float, float]:
        """Threshold -> mean IoU of the hits, nan where there is none."""
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
        """Segmentation quality: mean IoU of the pairs above 0.5, nan where there is none."""
        return float(ratio(self.overlap[-1], self.counts[-1, 0]))

    @property
    def rq(self) -> float:
        """Recognition quality: F1 of the pairs above 0.5."""
        return float(matching.f1(self.counts[-1:])[0])

    @property
    def truth_objects(self) -> int:
        """Objects in the truth."""
        return int(self.counts[-1, [0, 2]].sum())

    @property
    def predicted_objects(self) -> int:
        """Predicted objects that count."""
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
    def mean_iou(self) -> float:
        """Mean IoU of the pixels of background and objects."""
        return self.pixels.mean_iou

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the pixels of background and objects."""
        return self.pixels.mean_dice

    @property
    def accuracy(self) -> float:
        """Part of the counted pixels that are rightly background or object."""
        return self.pixels.accuracy

    @property
    def unlabelled(self) -> int | None:
        """The value of the truth that is not annotated; None where every pixel is."""
        return self.pixels.unlabelled

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know."""
        return tuple(_notes(self))

    @property
    def matches(self) -> "DataFrame":
        """A row for each object: image, truth and prediction (ids, 0: no partner), iou."""
        from pandas import DataFrame

        image, truth, prediction = self.pairs.T
        columns = {"image": image, "truth": truth, "prediction": prediction}
        return DataFrame(columns | {"iou": self.pair_iou})

    def table(self) -> "DataFrame":
        """Build a table of the figures.

        Returns
        -------
        pandas.DataFrame
            A row for each threshold: threshold, f1, precision, recall, ap, matched_iou, hits,
            false_positives, misses. A last row "mean" holds the means over the thresholds, and
            pq, sq and rq.
        """
        return _table(self)

    def __str__(self) -> str:
        table = self.table().astype(object).drop(columns=["pq", "sq", "rq"])
        table = table.where(table.notna(), "")
        shown = table.to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([shown, self.summary(), *self.notes])

    def summary(self) -> str:
        """Say in one sentence how many objects were compared, and the panoptic quality."""
        choice = "every pixel counts" if self.unlabelled is None else "its pixels are not counted"
        return (
            f"{self.truth_objects} objects in the truth, {self.predicted_objects} predicted; "
            f"mean AP {self.mean_ap:.4f}; PQ {self.pq:.4f} = SQ {self.sq:.4f} x RQ {self.rq:.4f}; "
            f"unlabelled={self.unlabelled} ({choice})."
        )

    def means(self) -> str:
        """Say the main figures in one line."""
        lowest = self.thresholds[0]
        return (
            f"F1 {self.f1[lowest]:.4f} and AP {self.ap[lowest]:.4f} at IoU {lowest}, "
            f"mean AP {self.mean_ap:.4f}, PQ {self.pq:.4f}, {self.truth_objects} objects, "
            f"{self.predicted_objects} predicted"
        )

    def __add__(self, other: "Report") -> "Report":
        if other.thresholds != self.thresholds:
            raise ValueError(
                f"Reports with thresholds={self.thresholds} and thresholds={other.thresholds} "
                "cannot be pooled: make both with the same."
            )
        moved = other.pairs + np.array([self.images, 0, 0])
        return replace(
            self,
            pixels=self.pixels + other.pixels,
            counts=self.counts + other.counts,
            overlap=self.overlap + other.overlap,
            pairs=np.concatenate([self.pairs, moved]),
            pair_iou=np.concatenate([self.pair_iou, other.pair_iou]),
            left_out=self.left_out + other.left_out,
            images=self.images + other.images,
        )

    def _by_threshold(
        self, figure: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    ) -> dict[float, float]:
        return dict(zip(self.thresholds, figure(self.counts[:-1]).tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Generator[Step, None, Report]:
    """Match the objects of pairs of prediction and truth and pool them into one report.

    Parameters
    ----------
    pairs : sequence of tuple
        Predictions with their truths: arrays, layers, or anything with `.labels`.
    unlabelled, labels_are, spacing, thresholds
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
    at = _checked(thresholds)
    left_out = unlabelled or None  # 0 is background
    shared = yield from shared_pixels(pairs, left_out, labels_are)
    first, *others = [_report(counted, at, left_out) for counted in shared]
    report = sum(others, first)
    semantic.require_pixels(report.pixels.pixels, left_out)
    return report


def _table(report: Report) -> "DataFrame":
    from pandas import DataFrame

    names = ("f1", "precision", "recall", "ap", "matched_iou")
    figures = {name: [*getattr(report, name).values()] for name in names}
    counts = dict(zip(("hits", "false_positives", "misses"), report.counts[:-1].T, strict=True))
    blank = [nan] * len(report.thresholds)
    table = DataFrame(
        {"threshold": [*report.thresholds, "mean"]}
        | {name: [*values, float(np.mean(values))] for name, values in figures.items()}
        | {name: [*blank, getattr(report, name)] for name in ("pq", "sq", "rq")}
        | {name: [*column, None] for name, column in counts.items()}
    )
    return table.astype(dict.fromkeys(counts, "Int64"))


def _checked(thresholds: Sequence[float]) -> tuple[float, ...]:
    rising = tuple(sorted({float(t) for t in thresholds}))
    if not rising or not all(0 < t <= 1 for t in rising):
        raise ValueError(
            f"thresholds are {tuple(thresholds)}; give one or more above 0 and at most 1."
        )
    return rising


def _report(
    shared: matching.Overlaps, thresholds: tuple[float, ...], unlabelled: int | None
) -> Report:
    sides = matching.compare(shared)
    found = [matching.match(sides, t) for t in (*thresholds, matching.ABOVE_HALF)]
    pairs, iou = _rows(sides, found[0])
    return Report(
        thresholds,
        np.stack([matching.tally(sides, m) for m in found]),
        np.array([sides.iou[m].sum() for m in found]),
        pairs,
        iou,
        semantic.Report(tuple(PIXELS), matching.foreground(shared), unlabelled, PIXELS),
        int(sides.left_out.sum()),
    )


def _rows(
    sides: matching.MatchedObjects, matched: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs, then objects of the truth without a partner, then predicted ones."""
    row, column = sides.pairs[matched].T
    missed = np.delete(sides.truth, row)
    wrong = np.delete(sides.prediction, column)[~np.delete(sides.left_out, column)]
    truth = np.concatenate([sides.truth[row], missed, np.zeros_like(wrong)])
    prediction = np.concatenate([sides.prediction[column], np.zeros_like(missed), wrong])
    iou = np.full(len(truth), np.nan)
    iou[: len(matched)] = sides.iou[matched]
    return np.column_stack([np.zeros_like(truth), truth, prediction]), iou


def _notes(report: Report) -> Iterator[str]:
    if report.left_out:
        yield (
            f"{report.left_out} predicted objects lie mostly where the truth is not annotated: "
            "without a partner they are no false positives."
        )
    for count, side in ((report.truth_objects, "truth"), (report.predicted_objects, "prediction")):
        if not count:
            yield f"The {side} holds no object."
