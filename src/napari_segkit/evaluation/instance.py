"""Instance metrics: objects of prediction and truth, matched one to one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import matching
from .base_report import Report, unlabelled_text
from .confusion import Counts, Floats, ratio
from .contingency import ContingencyMetric, ContingencyTable, Ids, foreground_confusion
from .metric import ImageInfo, Values, require_equal
from .regions import NAMES as PARTITION_NAMES
from .regions import PartitionCounts, count_partition
from .semantic import ClassConfusion, SemanticReport

if TYPE_CHECKING:
    from pandas import DataFrame

PIXEL_CLASSES = {0: "background", 1: "object"}
COUNTS = ("hits", "false_positives", "misses")

# of counts (TP, FP, FN) and the sum of the IoUs, row by row
RATIOS: dict[str, Callable[[Counts, Floats], Floats]] = {
    "f1": lambda counts, _: matching.f1(counts),
    "precision": lambda counts, _: matching.precision(counts),
    "recall": lambda counts, _: matching.recall(counts),
    "ap": lambda counts, _: matching.average_precision(counts),
    "matched_iou": lambda counts, overlap: ratio(overlap, counts[:, 0]),
}
QUALITY = {"pq": matching.panoptic_quality, "sq": RATIOS["matched_iou"], "rq": RATIOS["f1"]}


@dataclass(frozen=True, eq=False)
class MatchCounts:
    """Counts of matched objects, which add up over images."""

    matches: Counts  # TP, FP and FN for each threshold; in a last row with IoU above 0.5
    overlap: Floats  # sum of the IoUs of the matches, for each row of `matches`
    pairs: Ids  # (N, 2): id in the truth and in the prediction, 0 without a match
    pair_iou: Floats  # of each row of `pairs`, nan without a match
    pixels: Counts  # (2, 3): confusion of background and any object
    left_out: int  # predicted objects, mostly not annotated
    partition: PartitionCounts

    def __add__(self, other: "MatchCounts") -> "MatchCounts":
        return MatchCounts(
            self.matches + other.matches,
            self.overlap + other.overlap,
            np.concatenate([self.pairs, other.pairs]),
            np.concatenate([self.pair_iou, other.pair_iou]),
            self.pixels + other.pixels,
            self.left_out + other.left_out,
            self.partition + other.partition,
        )


class ObjectMatching(ContingencyMetric[MatchCounts]):
    """Objects matched one to one, at IoU thresholds."""

    def __init__(self, image: ImageInfo) -> None:
        super().__init__(image)
        self.thresholds = image.thresholds

    def count(self, shared: ContingencyTable) -> MatchCounts:
        objects = matching.overlapping_objects(shared)
        thresholds = (*self.thresholds, matching.ABOVE_HALF)
        matches = [matching.match_objects(objects, t) for t in thresholds]
        return MatchCounts(
            np.stack([matching.count_matches(objects, m) for m in matches]),
            np.array([objects.iou[m].sum() for m in matches]),
            *_matched_ids(objects, matches[0]),
            foreground_confusion(shared),
            int(objects.left_out.sum()),
            count_partition(shared),
        )

    def __add__(self, other: "ObjectMatching") -> "ObjectMatching":
        require_equal("thresholds", self.thresholds, other.thresholds)
        return super().__add__(other)

    def compute(self) -> dict[str, Values]:
        """Ratios of the matches by threshold; PQ, SQ and RQ; over- and under-segmentation."""
        by_threshold = {name: self.by_threshold(name) for name in RATIOS}
        quality = {name: self.above_half(name) for name in QUALITY}
        _, invented, missed = self.counts.matches[-1]
        further = self.counts.partition.ratios() | {"count_error": float(invented - missed)}
        return {**by_threshold, **quality, **further}

    def by_threshold(self, name: str) -> dict[float, float]:
        values = RATIOS[name](self.counts.matches, self.counts.overlap)
        return dict(zip(self.thresholds, values[:-1].tolist(), strict=True))

    def above_half(self, name: str) -> float:
        """One of the qualities of matches with an IoU above 0.5."""
        return float(QUALITY[name](self.counts.matches, self.counts.overlap)[-1])


@dataclass(frozen=True, eq=False, repr=False)
class InstanceReport(Report[ObjectMatching]):
    """How well the objects of a prediction agree with those of the truth.

    An object is matched (true positive) where its IoU with an object of the other side reaches a
    threshold; matches are one to one.

    AP is TP / (TP + FP + FN) at each threshold, as in the Data Science Bowl 2018, StarDist and
    Cellpose (also called accuracy, Jaccard or threat score); it is not the area under a
    precision-recall curve that COCO calls AP, for which predictions need scores.

    The table has a row for each threshold: threshold, f1, precision, recall, ap, matched_iou, hits
    (TP), false_positives, misses (FN). A last row "mean" holds the means over the thresholds, and
    pq, sq, rq, vi_split, vi_merge, adapted_rand_error, rand_precision, rand_recall, splits,
    merges and count_error.
    """

    kind = "instance"
    headline = (("ap", "mean"), ("pq", ""))
    key = "threshold"
    unprinted = ("pq", "sq", "rq", *PARTITION_NAMES, "count_error")

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The lowest IoU of a match, rising."""
        return self.main.thresholds

    @property
    def counts(self) -> Counts:
        """TP, FP and FN in a row for each threshold, and in a last row with IoU above 0.5."""
        return self.main.counts.matches

    @property
    def left_out(self) -> int:
        """Predicted objects of which more than half is not annotated.

        Without a match they are no false positives.
        """
        return self.main.counts.left_out

    @property
    def pixels(self) -> SemanticReport:
        """The same images pixel by pixel: 0 background, 1 any object."""
        confusion = ClassConfusion(ImageInfo(unlabelled=self.unlabelled))
        confusion.include(tuple(PIXEL_CLASSES), self.main.counts.pixels)
        confusion.names = PIXEL_CLASSES
        parts = tuple(part.pixels for part in self.parts)
        return SemanticReport(confusion, unlabelled=self.unlabelled, name=self.name, parts=parts)

    @property
    def f1(self) -> dict[float, float]:
        """Threshold -> F1, 2 TP / (2 TP + FP + FN)."""
        return self.main.by_threshold("f1")

    @property
    def precision(self) -> dict[float, float]:
        """Threshold -> fraction of the predicted objects that are matched."""
        return self.main.by_threshold("precision")

    @property
    def recall(self) -> dict[float, float]:
        """Threshold -> fraction of the true objects that are matched."""
        return self.main.by_threshold("recall")

    @property
    def ap(self) -> dict[float, float]:
        """Threshold -> AP, TP / (TP + FP + FN)."""
        return self.main.by_threshold("ap")

    @property
    def matched_iou(self) -> dict[float, float]:
        """Threshold -> mean IoU of the matches, nan where there is none."""
        return self.main.by_threshold("matched_iou")

    @property
    def mean_ap(self) -> float:
        """Mean AP over the thresholds."""
        return float(np.mean([*self.ap.values()]))

    @property
    def pq(self) -> float:
        """Panoptic quality (Kirillov et al. 2019) of the objects, all of one class: SQ times RQ."""
        return self.main.above_half("pq")

    @property
    def sq(self) -> float:
        """Segmentation quality: mean IoU of the matches above 0.5, nan where there is none."""
        return self.main.above_half("sq")

    @property
    def rq(self) -> float:
        """Recognition quality: F1 of the matches above 0.5."""
        return self.main.above_half("rq")

    @property
    def vi_split(self) -> float:
        """Variation of information by splits: H(prediction | truth) in the true objects, in bits.

        0 where no true object is divided. As in scikit-image with ``ignore_labels=(0,)``.
        """
        return self._partition["vi_split"]

    @property
    def vi_merge(self) -> float:
        """Variation of information by merges: H(truth | prediction) in the true objects, in bits.

        0 where no predicted object holds more than one true one.
        """
        return self._partition["vi_merge"]

    @property
    def adapted_rand_error(self) -> float:
        """Adapted Rand error of SNEMI3D: 1 - F1 of the pairs of pixels in one object, 0 is best."""
        return self._partition["adapted_rand_error"]

    @property
    def _partition(self) -> dict[str, float]:
        return self.main.counts.partition.ratios()

    @property
    def splits(self) -> int:
        """Pieces that true objects are split into, the first of each not counted.

        A predicted object is a piece of the true object that has more than half of its pixels.
        """
        return int(self.main.counts.partition.pieces[0])

    @property
    def merges(self) -> int:
        """True objects that are merged into predicted ones, the first of each not counted.

        A true object is merged into the predicted object that has more than half of its pixels.
        """
        return int(self.main.counts.partition.pieces[1])

    @property
    def count_error(self) -> int:
        """Objects predicted too many (above 0) or too few (below)."""
        return self.predicted_objects - self.truth_objects

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
    def matches(self) -> "DataFrame":
        """A row for each object, matched at the lowest threshold: image, truth, prediction, iou.

        The number of the image, and the ids of the objects, 0 without a match.
        """
        from pandas import DataFrame

        sizes = [len(image.main.counts.pairs) for image in self.images.values()]
        truth, prediction = self.main.counts.pairs.T
        columns = {"image": np.repeat(np.arange(len(sizes)), sizes), "truth": truth}
        return DataFrame(columns | {"prediction": prediction, "iou": self.main.counts.pair_iou})

    def summary(self) -> str:
        """Describe in one sentence how many objects were compared, and how well they agree."""
        return (
            f"{self.truth_objects} objects in the truth, {self.predicted_objects} predicted; "
            f"mean AP {self.mean_ap:.4f}; PQ {self.pq:.4f} = SQ {self.sq:.4f} x RQ {self.rq:.4f}; "
            f"{self.main.counts.partition.text()}; "
            f"{unlabelled_text(self.unlabelled, self.not_counted)}."
        )

    def means(self) -> str:
        """Describe the main metrics in one line."""
        lowest = self.thresholds[0]
        return (
            f"F1 {self.f1[lowest]:.4f} and AP {self.ap[lowest]:.4f} at IoU {lowest}, "
            f"mean AP {self.mean_ap:.4f}, PQ {self.pq:.4f}, {self.truth_objects} objects, "
            f"{self.predicted_objects} predicted"
        )

    def _keys(self) -> Sequence[float]:
        return self.thresholds

    def _counts(self) -> dict[str, Sequence[int]]:
        return dict(zip(COUNTS, self.counts[:-1].T.tolist(), strict=True))

    def _mean(self, values: Sequence[float]) -> float:
        return float(np.mean(values))

    def _remarks(self) -> Iterator[str]:
        if self.left_out:
            yield (
                f"{self.left_out} predicted objects lie mostly where the truth is not annotated: "
                "without a match they do not count as false positives."
            )
        for count, side in ((self.truth_objects, "truth"), (self.predicted_objects, "prediction")):
            if not count:
                yield f"The {side} holds no object."


def _matched_ids(
    objects: matching.OverlappingObjects, matched: NDArray[np.intp]
) -> tuple[Ids, Floats]:
    """Rows (truth, prediction) and IoU: matches, unmatched truth, unmatched predictions."""
    row, column = objects.pairs[matched].T
    misses = np.delete(objects.truth, row)
    unmatched = np.delete(objects.prediction, column)[~np.delete(objects.left_out, column)]
    truth = np.concatenate([objects.truth[row], misses, np.zeros_like(unmatched)])
    prediction = np.concatenate([objects.prediction[column], np.zeros_like(misses), unmatched])
    iou = np.full(len(truth), np.nan)
    iou[: len(matched)] = objects.iou[matched]
    return np.column_stack([truth, prediction]), iou
