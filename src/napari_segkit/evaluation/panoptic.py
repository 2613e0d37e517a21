"""Panoptic figures: segments of each class, things one by one and stuff as a whole."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.steps import Step

from . import matching, semantic
from .confusion import Counts, Figures, mean, ratio
from .panoptic_counts import count, segments_of
from .slab_reader import shared_pixels

if TYPE_CHECKING:
    from pandas import DataFrame

FIGURES = ("pq", "sq", "rq", "iou", "dice")
COUNTS = ("hits", "false_positives", "misses", "truth_pixels", "predicted_pixels")


@dataclass(frozen=True, eq=False)
class Report:
    """How well the segments of a prediction agree with those of the truth, class by class.

    The panoptic quality of Kirillov et al. (2019): a segment is a hit where its IoU with one of
    the same class is above 0.5. Adding two reports pools their segments: the counts are added,
    the figures follow.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes that occur in the truth or in the prediction, in alphabetical order.
    kinds : tuple of str
        "thing" or "stuff" for each class.
    counts : ndarray of int64
        TP, FP and FN of each class.
    overlap : ndarray of float
        The sum of the IoUs of the hits of each class.
    pixels : ndarray of int64
        For each class: pixels where truth and prediction agree, those of the truth, and those
        predicted.
    counted : ndarray of int64
        Pixels whose class (or background) was predicted, and all that count.
    unlabelled : int or None
        The value of the truth that is not annotated; None where every pixel is.
    left_out : int
        Predicted segments that lie mostly where nothing is annotated, or in a crowd of their
        class: where they have no partner they are no false positives.
    """

    classes: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: Counts
    overlap: Figures
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
        """Class -> segmentation quality, the mean IoU of its hits; nan where there is none."""
        return self._by_class(ratio(self.overlap, self.counts[:, 0]))

    @property
    def rq(self) -> dict[str, float]:
        """Class -> recognition quality, F1 of its segments; nan where there is none."""
        return self._by_class(matching.f1(self.counts))

    @property
    def mean_pq(self) -> float:
        """Mean PQ of the classes that occur."""
        return mean(self.pq)

    @property
    def mean_sq(self) -> float:
        """Mean SQ of the classes that have a hit; COCO's own script takes 0 for the others."""
        return mean(self.sq)

    @property
    def mean_rq(self) -> float:
        """Mean RQ of the classes that occur."""
        return mean(self.rq)

    @property
    def things(self) -> "Report":
        """The same for the classes of single objects."""
        return self._only("thing")

    @property
    def stuff(self) -> "Report":
        """The same for the classes without single objects."""
        return self._only("stuff")

    @property
    def truth_objects(self) -> int:
        """Segments in the truth."""
        return int(self.counts[:, [0, 2]].sum())

    @property
    def predicted_objects(self) -> int:
        """Predicted segments that count."""
        return int(self.counts[:, :2].sum())

    @property
    def iou(self) -> dict[str, float]:
        """Class -> intersection over union of its pixels, nan where absent."""
        shared, true, guessed = self.pixels.T
        return self._by_class(ratio(shared, true + guessed - shared))

    @property
    def dice(self) -> dict[str, float]:
        """Class -> Dice coefficient of its pixels, nan where absent."""
        shared, true, guessed = self.pixels.T
        return self._by_class(ratio(2 * shared, true + guessed))

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the pixels of the classes that occur."""
        return mean(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice of the pixels of the classes that occur."""
        return mean(self.dice)

    @property
    def accuracy(self) -> float:
        """Part of the counted pixels whose class, or background, was predicted."""
        return float(ratio(*self.counted))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures should know."""
        return tuple(_notes(self))

    def table(self) -> "DataFrame":
        """Build a table of the figures.

        Returns
        -------
        pandas.DataFrame
            A row for each class: class, kind, pq, sq, rq, then iou and dice of its pixels, hits,
            false_positives, misses, and its pixels in the truth and in the prediction. Rows
            "mean" follow: of all classes and, where both occur, of things and of stuff.
        """
        return _table(self)

    def __str__(self) -> str:
        table = self.table().astype(object)
        table = table.where(table.notna(), "")
        shown = table.to_string(index=False, float_format="{:.4f}".format)
        return "\n".join([shown, self.summary(), *self.notes])

    def summary(self) -> str:
        """Say in one sentence how many segments were compared, and the mean panoptic quality."""
        choice = "every pixel counts" if self.unlabelled is None else "its pixels are not counted"
        return (
            f"{self.truth_objects} segments in the truth, {self.predicted_objects} predicted; "
            f"mean PQ {self.mean_pq:.4f}; unlabelled={self.unlabelled} ({choice})."
        )

    def means(self) -> str:
        """Say the mean figures in one line."""
        return (
            f"mean PQ {self.mean_pq:.4f}, mean SQ {self.mean_sq:.4f}, mean RQ {self.mean_rq:.4f}, "
            f"{self.truth_objects} segments, {self.predicted_objects} predicted"
        )

    def __add__(self, other: "Report") -> "Report":
        if other.unlabelled != self.unlabelled:
            raise ValueError(
                f"Reports with unlabelled={self.unlabelled} and unlabelled={other.unlabelled} "
                "cannot be pooled: make both with the same."
            )
        kinds = _kinds(other) | _kinds(self)
        classes = tuple(sorted(kinds))
        counts, overlap, pixels = (
            _laid(getattr(self, name), self.classes, classes)
            + _laid(getattr(other, name), other.classes, classes)
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

    def _only(self, kind: str) -> "Report":
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

    def _by_class(self, figures: Figures) -> dict[str, float]:
        return dict(zip(self.classes, figures.tolist(), strict=True))


def compare_blocks(
    pairs: Sequence[tuple[Any, Any]],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    spacing: Sequence[float] | None = None,
) -> Generator[Step, None, Report]:
    """Match the segments of pairs of prediction and truth and pool them into one report.

    Parameters
    ----------
    pairs : sequence of tuple
        Predictions with their truths: arrays, layers, or anything with `.labels` and `.table`.
    unlabelled, labels_are, spacing
        As in `evaluate`; 0 may be unlabelled, which is what COCO calls void.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    Report
        Of all pairs together.
    """
    if labels_are == "classes":
        raise ValueError(
            "kind='panoptic' takes values as numbers of segments, so labels_are cannot be "
            "'classes': leave it out, and name the class of each segment in the features."
        )
    known = [(segments_of(p, "prediction"), segments_of(t, "truth")) for p, t in pairs]
    shared = yield from shared_pixels(pairs, unlabelled, "objects")
    first, *others = [
        Report(**count(counted, *named, unlabelled), unlabelled=unlabelled)
        for counted, named in zip(shared, known, strict=True)
    ]
    report = sum(others, first)
    semantic.require_pixels(int(report.counted[1]), unlabelled)
    return report


def _table(report: Report) -> "DataFrame":
    from pandas import DataFrame, concat

    figures = {name: [*getattr(report, name).values()] for name in FIGURES}
    numbers = np.column_stack([report.counts, report.pixels[:, 1:]]).T
    counts = dict(zip(COUNTS, numbers, strict=True))
    table = DataFrame({"class": report.classes, "kind": report.kinds} | figures | counts)
    parts = {"": report} | {k: report._only(k) for k in ("thing", "stuff") if k in report.kinds}
    rows = [
        {"class": "mean", "kind": kind}
        | {name: mean(getattr(part, name)) for name in FIGURES}
        | dict.fromkeys(COUNTS)
        for kind, part in (parts if len(parts) > 2 else {"": report}).items()
    ]
    integers = dict.fromkeys(COUNTS, "Int64")
    return concat([table.astype(integers), DataFrame(rows).astype(integers)], ignore_index=True)


def _kinds(report: Report) -> dict[str, str]:
    return dict(zip(report.classes, report.kinds, strict=True))


def _laid(counts: NDArray[Any], classes: Sequence[str], wider: Sequence[str]) -> NDArray[Any]:
    """Rows of counts at the places of their classes among more of them."""
    result = np.zeros((len(wider), *counts.shape[1:]), counts.dtype)
    result[[wider.index(c) for c in classes]] = counts
    return result


def _notes(report: Report) -> Iterator[str]:
    if report.left_out:
        yield (
            f"{report.left_out} predicted segments lie mostly where the truth is not annotated or "
            "in a crowd: without a partner they are no false positives."
        )
    for name, (_, true, guessed) in zip(report.classes, report.pixels, strict=True):
        if true and not guessed:
            yield f"Class {name!r} is in the truth but nowhere in the prediction."
        if guessed and not true:
            yield f"Class {name!r} is in the prediction but nowhere in the truth."
