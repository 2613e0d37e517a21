"""Evaluation of a prediction against a truth; the kind decides which metrics are computed."""

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from napari_segkit.config import LabelsAre, TrainConfig
from napari_segkit.images.axes_image import is_layer
from napari_segkit.steps import Step, drain

from . import instance, panoptic, semantic
from .base_report import Report as Report

if TYPE_CHECKING:
    from pandas import DataFrame


KINDS: dict[str, Callable[..., Generator[Step, None, Any]]] = {
    "semantic": semantic.compare_blocks,
    "instance": instance.compare_blocks,
    "panoptic": panoptic.compare_blocks,
}


def evaluate(
    prediction: Any,
    truth: Any,
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
        World units between pixels, along Z Y X or Y X, for metrics that measure distances;
        no metric does so yet.
    thresholds : sequence of float, optional
        IoU thresholds, for instances only: two objects match if their IoU is at least this. None:
        0.5 to 0.95 in steps of 0.05.

    Returns
    -------
    SemanticReport, InstanceReport or PanopticReport
        By kind. All have ``report.iou``, ``report.dice`` (class -> metric, nan where absent),
        ``report.mean_iou``, ``report.accuracy``, ``report.table()``, and add up with ``+``;
        instances have ``report.f1``, ``report.ap`` (threshold -> metric), ``report.mean_ap``,
        ``report.pq``, ``report.matches``; panoptic ones ``report.pq``, ``report.sq``,
        ``report.rq`` (class -> metric) and ``report.mean_pq``.

    Raises
    ------
    ValueError
        If the shapes differ, values are not non-negative integers, no pixel is left to compare, a
        segment has no class, or an option is not one of those above.
    TypeError
        If `unlabelled` is neither an integer nor None.
    """
    steps = evaluate_blocks(
        prediction,
        truth,
        kind=kind,
        unlabelled=unlabelled,
        labels_are=labels_are,
        spacing=spacing,
        thresholds=thresholds,
    )
    return drain(steps)


def evaluate_blocks(
    prediction: Any,
    truth: Any,
    *,
    kind: str = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] | None = None,
) -> Generator[Step, None, Any]:
    """Compare block by block: the generator behind `evaluate`, for progress and Stop."""
    if kind not in KINDS:
        available = ", ".join(map(repr, KINDS))
        raise ValueError(f"There are no metrics of kind {kind!r}; available: {available}.")
    TrainConfig(unlabelled=unlabelled, labels_are=labels_are)  # validates both
    if thresholds is not None and kind != "instance":
        raise ValueError(
            f"thresholds are for kind='instance' only: leave them out for kind={kind!r}."
        )
    options = {} if thresholds is None else {"thresholds": thresholds}
    pairs = _pairs(prediction, truth)
    compare = KINDS[kind](
        pairs, unlabelled=unlabelled, labels_are=labels_are, spacing=spacing, **options
    )
    return (yield from compare)


def table_of(reports: Sequence[tuple[str, Report]]) -> "DataFrame":
    """Concatenate the tables of named reports, with the names in a first column "image"."""
    from pandas import concat

    names, tables = [name for name, _ in reports], [report.table() for _, report in reports]
    return concat(tables, keys=names, names=["image", None]).reset_index("image")


def _pairs(prediction: Any, truth: Any) -> list[tuple[Any, Any]]:
    are_sequences = _is_sequence(prediction), _is_sequence(truth)
    if not any(are_sequences):
        return [(prediction, truth)]
    if not all(are_sequences) or len(prediction) != len(truth) or not prediction:
        lengths = [len(s) if _is_sequence(s) else "one array" for s in (prediction, truth)]
        raise ValueError(
            f"prediction holds {lengths[0]} and truth {lengths[1]}: give one of each, or two lists "
            "of the same length."
        )
    return list(zip(prediction, truth, strict=True))


def _is_sequence(source: Any) -> bool:
    """Whether it is a list of arrays, layers or objects, not an array as nested lists."""
    if not isinstance(source, list | tuple):
        return False
    return all(is_layer(s) or hasattr(s, "shape") or hasattr(s, "labels") for s in source)
