"""Evaluation of a prediction against a truth; the kind decides which metrics are computed."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import isnan
from operator import add
from typing import Any, Generic

from napari_segkit.config import LabelsAre, TrainConfig
from napari_segkit.images.axes_image import is_layer
from napari_segkit.images.types import LazyArray
from napari_segkit.steps import Step, drain

from .base_report import M_co
from .base_report import Report as Report
from .instance import InstanceReport, ObjectMatching
from .metric import THRESHOLDS, ImageInfo, Index, LabelSource, Metric
from .panoptic import PanopticReport, SegmentMatching
from .semantic import ClassConfusion, SemanticReport
from .slab_reader import (
    Reader,
    align_arrays,
    class_reader,
    get_labels,
    id_reader,
    pixel_spacing,
    segment_reader,
    slabs,
    with_halo,
)


@dataclass(frozen=True)
class Kind(Generic[M_co]):
    """A kind of metrics: what they count, how labels are read for them, and their report."""

    report: type[Report[M_co]]
    metric: type[M_co]
    read: Reader
    more: tuple[type[Metric], ...] = ()  # further metrics; their values are columns of the table


KINDS: dict[str, Kind[Any]] = {
    "semantic": Kind(SemanticReport, ClassConfusion, class_reader),
    "instance": Kind(InstanceReport, ObjectMatching, id_reader),
    "panoptic": Kind(PanopticReport, SegmentMatching, segment_reader),
}


@dataclass(frozen=True)
class LabelPair:
    """A prediction and its truth; the name of the image, if it has one."""

    prediction: LabelSource
    truth: LabelSource
    name: str | None = None


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `evaluate`, checked; of objects, 0 is never unlabelled."""

    kind: str = "semantic"
    unlabelled: int | None = None
    labels_are: LabelsAre = "ask"
    spacing: Sequence[float] | None = None
    thresholds: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            available = ", ".join(map(repr, KINDS))
            raise ValueError(f"There are no metrics of kind {self.kind!r}; available: {available}.")
        TrainConfig(unlabelled=self.unlabelled, labels_are=self.labels_are)  # validates both
        if self.kind == "instance":
            object.__setattr__(self, "unlabelled", self.unlabelled or None)
        elif self.thresholds is not None:
            raise ValueError(
                f"thresholds are for kind='instance' only: leave them out for kind={self.kind!r}."
            )
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", _sorted_thresholds(self.thresholds))


def evaluate(
    prediction: LabelSource,
    truth: LabelSource,
    *,
    kind: str = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] | None = None,
) -> Any:
    """Compare a prediction with the truth.

    Parameters
    ----------
    prediction, truth : array-like, napari Labels layer or objects, or sequences of them
        Non-negative integers of one shape and any number of dimensions; NumPy arrays, or dask and
        zarr arrays, which are read block by block; or what `predict_objects` returns. Sequences
        are compared pair by pair and pooled: the counts are added first, and the metrics are
        computed from the sum.
    kind : {"semantic", "instance", "panoptic"}
        Which metrics. "semantic" compares the class of every pixel. "instance" takes 0 as
        background and matches objects with objects. "panoptic" matches the segments of each
        class; a layer's features, or the table of predicted objects, name the class of each id in
        the columns "index" and "class", and whether it is a "thing" or "stuff" in "kind".
    unlabelled : int or None
        The one value of the truth whose pixels are left out. None counts every pixel: a
        background left out would hide every false positive. For instances 0 is background and
        leaves nothing out.
    labels_are : {"ask", "classes", "objects"}
        What the values mean, in both. Semantic: "objects" merges all of them into one class, 1,
        with 0 as background; "ask" takes them as classes, but refuses what looks like instance
        ids. Instance: "objects" takes each value as an object, "classes" each connected component
        of a value; "ask" takes values as objects, but refuses what looks like classes.
    spacing : sequence of float, optional
        World units between pixels, along Z Y X or Y X, for metrics that measure distances; no
        metric of this package does so yet. None: the scale of the truth's layer.
    thresholds : sequence of float, optional
        IoU thresholds, for instances only: two objects match if their IoU is at least this. None:
        0.5 to 0.95 in steps of 0.05.

    Returns
    -------
    SemanticReport, InstanceReport or PanopticReport
        By kind. All have ``report.iou``, ``report.dice`` (class -> metric, nan where absent),
        ``report.mean_iou``, ``report.accuracy``, ``report.table()``, ``report.metrics`` (name ->
        values, all of the table), ``report.images`` (name or number -> the report of that image),
        and add up with ``+``; instances have ``report.f1``, ``report.ap`` (threshold -> metric),
        ``report.mean_ap``, ``report.pq``, ``report.matches``; panoptic ones ``report.pq``,
        ``report.sq``, ``report.rq`` (class -> metric) and ``report.mean_pq``.

    Raises
    ------
    ValueError
        If the shapes differ, values are not non-negative integers, no pixel is left to compare, a
        segment has no class, or an option is not one of those above.
    TypeError
        If `unlabelled` is neither an integer nor None.
    """
    options = EvaluateOptions(kind, unlabelled, labels_are, spacing, thresholds)
    return drain(evaluate_pairs(_pairs(prediction, truth), options))


def evaluate_blocks(
    prediction: LabelSource,
    truth: LabelSource,
    *,
    kind: str = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] | None = None,
) -> Generator[Step, None, Any]:
    """Compare block by block: the generator behind `evaluate`, for progress and Stop."""
    options = EvaluateOptions(kind, unlabelled, labels_are, spacing, thresholds)
    return (yield from evaluate_pairs(_pairs(prediction, truth), options))


def evaluate_pairs(
    pairs: Sequence[LabelPair], options: EvaluateOptions
) -> Generator[Step, None, Any]:
    """Compare pairs whose names are known, block by block, and pool them into one report."""
    kind, unlabelled = KINDS[options.kind], options.unlabelled
    arrays = [align_arrays(pair.prediction, pair.truth) for pair in pairs]
    cores = [[(slab,) for slab in slabs(*each)] for each in arrays]
    total, done, reports = sum(map(len, cores)), 0, []
    for pair, each, cores_of_image in zip(pairs, arrays, cores, strict=True):
        spacing = pixel_spacing(pair.truth, each[1].ndim, options.spacing)
        rising = THRESHOLDS if options.thresholds is None else tuple(options.thresholds)
        info = ImageInfo(pair.prediction, pair.truth, spacing, unlabelled, rising)
        counter = SlabCounter(kind, info, *each, options.labels_are)
        for core in cores_of_image:
            counter.update(core)
            done += 1
            yield Step(done, total)
        reports.append(counter.report(pair.name, unlabelled))
    report = reduce(add, reports)
    if isnan(report.accuracy):
        raise ValueError(
            f"Nothing to compare: every pixel of the truth is {unlabelled}, which means unlabelled."
        )
    return report


class SlabCounter(Generic[M_co]):
    """Counts an image slab by slab."""

    def __init__(
        self,
        kind: Kind[M_co],
        image: ImageInfo,
        prediction: LazyArray,
        truth: LazyArray,
        labels_are: LabelsAre,
    ) -> None:
        self._kind, self._shape = kind, truth.shape
        self._truth = kind.read(truth, "truth", image.unlabelled, labels_are)
        self._prediction = kind.read(prediction, "prediction", image.unlabelled, labels_are)
        image = replace(image, unlabelled=self._truth.unlabelled)
        self._own, self._more = kind.metric(image), tuple(metric(image) for metric in kind.more)
        self._metrics: tuple[Metric, ...] = (self._own, *self._more)

    def update(self, core: Index) -> None:
        """Read a slab once, and hand each metric the part it needs."""
        outer, inner = with_halo(core, self._shape, max(m.halo for m in self._metrics))
        prediction, truth = self._prediction.read(outer), self._truth.read(outer)
        for metric in self._metrics:
            part, own_core = with_halo(inner, truth.shape, metric.halo)
            metric.update(prediction[part], truth[part], own_core)

    def report(self, name: str | None, unlabelled: int | None) -> Report[M_co]:
        """Report on what was counted."""
        notes = tuple(dict.fromkeys(self._truth.notes + self._prediction.notes))
        return self._kind.report(self._own, self._more, unlabelled, name, notes)


def _sorted_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    rising = tuple(sorted({float(t) for t in thresholds}))
    if not rising or not all(0 < t <= 1 for t in rising):
        raise ValueError(
            f"thresholds are {tuple(thresholds)}; give one or more above 0 and at most 1."
        )
    return rising


def _pairs(prediction: LabelSource, truth: LabelSource) -> list[LabelPair]:
    predictions, truths = _as_list(prediction), _as_list(truth)
    if predictions is None and truths is None:
        return [_pair(prediction, truth)]
    if not predictions or not truths or len(predictions) != len(truths):
        lengths = ["one array" if s is None else len(s) for s in (predictions, truths)]
        raise ValueError(
            f"prediction holds {lengths[0]} and truth {lengths[1]}: give one of each, or two lists "
            "of the same length."
        )
    return [_pair(*each) for each in zip(predictions, truths, strict=True)]


def _pair(prediction: LabelSource, truth: LabelSource) -> LabelPair:
    labels = get_labels(prediction)
    return LabelPair(prediction, truth, getattr(labels, "name", None) if is_layer(labels) else None)


def _as_list(source: LabelSource) -> list[LabelSource] | None:
    """The arrays, layers or objects of a list; None of an array, also as nested lists."""
    if not isinstance(source, list | tuple):
        return None
    labels = all(is_layer(s) or hasattr(s, "shape") or hasattr(s, "labels") for s in source)
    return list(source) if labels else None
