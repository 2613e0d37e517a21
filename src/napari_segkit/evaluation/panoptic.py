"""Panoptic metrics: segments of each class, single things and stuff."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from . import matching
from .base_report import Report, one_sided, unlabelled_text
from .confusion import Counts, Floats, nanmean, ratio
from .contingency import ContingencyMetric, ContingencyTable
from .metric import ImageInfo, Values
from .panoptic_counts import KINDS, SegmentCounts, count_segments, read_segments
from .regions import NAMES as PARTITION_NAMES


class SegmentMatching(ContingencyMetric[SegmentCounts]):
    """Segments matched with those of the same class where their IoU is above 0.5."""

    def __init__(self, image: ImageInfo) -> None:
        super().__init__(image)
        self._prediction = read_segments(image.prediction, "prediction")
        self._truth = read_segments(image.truth, "truth")

    def count(self, shared: ContingencyTable) -> SegmentCounts:
        return count_segments(shared, self._prediction, self._truth)

    def only(self, kind: str) -> "SegmentMatching":
        """The same for things or stuff only."""
        selected = copy(self)
        selected.counts = self.counts.only(kind)
        return selected

    def compute(self) -> dict[str, Values]:
        """PQ, SQ, RQ, IoU and Dice of each class; over- and under-segmentation of all things."""
        by_class = {name: self.by_class(name) for name in self._ratios()}
        return {**by_class, **self.counts.partition.ratios()}

    def by_class(self, name: str) -> dict[str, float]:
        return dict(zip(self.counts.kinds, self._ratios()[name].tolist(), strict=True))

    def _ratios(self) -> dict[str, Floats]:
        counts, overlap = self.counts.matches, self.counts.overlap
        shared, true, predicted = self.counts.pixels.T
        return {
            "pq": matching.panoptic_quality(counts, overlap),
            "sq": ratio(overlap, counts[:, 0]),
            "rq": matching.f1(counts),
            "iou": ratio(shared, true + predicted - shared),
            "dice": ratio(2 * shared, true + predicted),
        }


@dataclass(frozen=True, eq=False, repr=False)
class PanopticReport(Report[SegmentMatching]):
    """How well the segments of a prediction agree with those of the truth, class by class.

    The panoptic quality of Kirillov et al. (2019): a segment is matched where its IoU with one of
    the same class is above 0.5.

    The table has a row for each class: class, kind, pq, sq, rq, then iou and dice of its pixels,
    hits (TP), false_positives, misses (FN), truth_pixels and predicted_pixels. Rows "mean" follow:
    of all classes and, where both occur, of things and of stuff; they hold vi_split, vi_merge,
    adapted_rand_error, rand_precision, rand_recall, splits and merges of the things, whatever
    their class, in further columns.
    """

    kind = "panoptic"
    headline = (("pq", "mean"),)
    unprinted = PARTITION_NAMES

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the truth or in the prediction, in alphabetical order."""
        return tuple(self.main.counts.kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Whether "thing" or "stuff", for each class."""
        return tuple(self.main.counts.kinds.values())

    @property
    def counts(self) -> Counts:
        """TP, FP and FN of each class."""
        return self.main.counts.matches

    @property
    def pixels(self) -> Counts:
        """For each class: pixels that agree, those of the truth, and those predicted."""
        return self.main.counts.pixels

    @property
    def left_out(self) -> int:
        """Predicted segments that are mostly not annotated, or in a crowd of their class.

        Without a match they are no false positives.
        """
        return self.main.counts.left_out

    @property
    def pq(self) -> dict[str, float]:
        """Class -> panoptic quality, SQ times RQ; nan where there is no segment."""
        return self.main.by_class("pq")

    @property
    def sq(self) -> dict[str, float]:
        """Class -> segmentation quality, the mean IoU of its matches; nan where there is none."""
        return self.main.by_class("sq")

    @property
    def rq(self) -> dict[str, float]:
        """Class -> recognition quality, F1 of its segments; nan where there is none."""
        return self.main.by_class("rq")

    @property
    def mean_pq(self) -> float:
        """Mean PQ of the classes that occur."""
        return nanmean(self.pq.values())

    @property
    def mean_sq(self) -> float:
        """Mean SQ of the classes that have a match; COCO's script takes 0 for the others."""
        return nanmean(self.sq.values())

    @property
    def mean_rq(self) -> float:
        """Mean RQ of the classes that occur."""
        return nanmean(self.rq.values())

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
        return self.main.by_class("iou")

    @property
    def dice(self) -> dict[str, float]:
        """Class -> Dice coefficient of its pixels, nan where absent."""
        return self.main.by_class("dice")

    @property
    def accuracy(self) -> float:
        """Fraction of the pixels whose class, or background, is predicted correctly."""
        return float(ratio(*self.main.counts.agreement))

    def summary(self) -> str:
        """Describe in one sentence how many segments were compared, and the mean PQ."""
        return (
            f"{self.truth_objects} segments in the truth, {self.predicted_objects} predicted; "
            f"mean PQ {self.mean_pq:.4f}; {unlabelled_text(self.unlabelled, self.not_counted)}."
        )

    def means(self) -> str:
        """Describe the mean metrics in one line."""
        return (
            f"mean PQ {self.mean_pq:.4f}, mean SQ {self.mean_sq:.4f}, mean RQ {self.mean_rq:.4f}, "
            f"{self.truth_objects} segments, {self.predicted_objects} predicted"
        )

    def _only(self, kind: str) -> "PanopticReport":
        parts = tuple(part._only(kind) for part in self.parts)
        return replace(self, main=self.main.only(kind), parts=parts)

    def _keys(self) -> Sequence[str]:
        return self.classes

    def _mean_rows(self) -> Sequence[tuple[str, Sequence[object]]]:
        return [("mean", self.classes), *(("mean", self._classes_of(k)) for k in self._parts())]

    def _parts(self) -> Sequence[str]:
        """Kinds that have a row of means: both, where both occur."""
        return KINDS if set(self.kinds) == set(KINDS) else ()

    def _classes_of(self, kind: str) -> Sequence[str]:
        return [name for name, its in zip(self.classes, self.kinds, strict=True) if its == kind]

    def _texts(self) -> dict[str, Sequence[str | None]]:
        return {"kind": [*self.kinds, "", *self._parts()]}

    def _counts(self) -> dict[str, Sequence[int]]:
        names = "hits", "false_positives", "misses", "truth_pixels", "predicted_pixels"
        columns = np.column_stack([self.counts, self.pixels[:, 1:]]).T
        return dict(zip(names, columns.tolist(), strict=True))

    def _remarks(self) -> Iterator[str]:
        if self.left_out:
            yield (
                f"{self.left_out} predicted segments lie mostly where the truth is not annotated "
                "or in a crowd: without a match they do not count as false positives."
            )
        sides = zip(self.classes, *self.pixels[:, 1:].T.tolist(), strict=True)
        yield from one_sided(sides)
