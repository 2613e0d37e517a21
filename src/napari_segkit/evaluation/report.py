"""Evaluation of a prediction against a truth; the kind decides which metrics are computed."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import isnan
from operator import add
from os import PathLike
from typing import Any, TypeVar

from napari_segkit.arguments import as_path, given, require_type
from napari_segkit.config import Connectivity, EvaluateConfig, LabelsAre, MetricsKind
from napari_segkit.config._schema import change
from napari_segkit.images.types import ImageSource
from napari_segkit.io.filenames import AnyPath
from napari_segkit.steps import Step, drain

from .base_report import Report as Report
from .count_images import report_images
from .label_files import LabelFiles, pair_label_files
from .label_pair import LabelPair as LabelPair
from .label_pair import as_pairs
from .left_out import NO_LIMITS, Limits, TrainedOn, pool_left_out
from .metric import LabelSource, Metric

P = TypeVar("P", LabelPair, LabelFiles)
NO_CLASS_MAP: Mapping[int, int] = {}


def evaluate(
    prediction: LabelSource | AnyPath,
    truth: LabelSource | AnyPath | None = None,
    *,
    kind: MetricsKind = "semantic",
    unlabelled: int | None = None,
    labels_are: LabelsAre = "ask",
    connectivity: Connectivity = "full",
    spacing: Sequence[float] | None = None,
    thresholds: Sequence[float] | None = None,
    by_index: bool = False,
    distances: bool = False,
    tolerance: float | None = None,
    groups: Sequence[str | None] | None = None,
    class_map: Mapping[int, int] = NO_CLASS_MAP,
    region: object = None,
    unseen_by: TrainedOn | None = None,
    images: ImageSource | AnyPath | None = None,
) -> Any:
    """Compare a prediction with the truth.

    Parameters
    ----------
    prediction, truth : array-like, napari Labels layer, objects or path, or sequences of them
        Non-negative integers of one shape and any number of dimensions; NumPy arrays, or dask and
        zarr arrays, which are read block by block; or what `predict_objects` returns. Sequences
        are compared pair by pair and pooled: the counts are added first, and the metrics are
        computed from the sum. In masks with a last axis of red, green and blue, each colour is a
        class, the same in all of them. Or the path of a file, of a folder or a pattern, which are
        paired by their names, or of a CSV list with the columns images and masks.
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
    connectivity : {"full", "faces"}
        Which pixels belong to one connected component, where `labels_are` is "classes": those that
        touch ("full"), or those that share a face ("faces", as in the challenges on neurons: a
        diagonal line separates).
    spacing : sequence of float, optional
        World units between pixels, along Z Y X, or along Y X to measure boundary distances plane
        by plane; for volumes and areas, too. None: that of the truth's layer or file.
    thresholds : sequence of float, optional
        IoU thresholds, for instances only: two objects match if their IoU is at least this. None:
        0.5 to 0.95 in steps of 0.05.
    by_index : bool
        Compare pixels of equal index even if the layers do not lie on each other in the world.
    distances : bool
        Measure distances between the boundaries of each class in world units, too, which takes
        longer. For classes only.
    tolerance : float, optional
        Boundaries that are no farther apart than this agree, in world units, for boundary F1 and
        surface Dice. None: one pixel, the largest spacing.
    groups : sequence of str, optional
        A name for each pair of two lists, such as that of the subject or slide: for
        ``report.groups``, ``report.table(by="group")`` and the intervals of
        ``report.statistics()``. None among them: an image by itself.
    class_map : mapping of int to int
        Label values of the prediction that have another value in the truth, such as ``{1: 255}``,
        for classes only. A note of the report proposes one where the classes do not correspond.
    region : slices, dict, polygons, napari Shapes layer or mask, optional
        The pixels that count, as in `Segmenter.predict`, the same in all images. None: all.
    unseen_by : Segmenter, optional
        The pixels that this model was trained on, or that were held out to choose its best step,
        do not count; the report says how many. Images of which nothing is left are not in it.
    images : array-like, napari Image layer or path, or sequence of them, optional
        The image of each truth, by whose pixels `unseen_by` recognises what it has seen.

    Returns
    -------
    SemanticReport, InstanceReport or PanopticReport
        By kind. All have ``report.iou``, ``report.dice`` (class -> metric, nan where absent),
        ``report.mean_iou``, ``report.accuracy``, ``report.table()``, ``report.metrics`` (name ->
        values, all of the table), ``report.images`` (name or number -> the report of that image),
        ``report.statistics()`` (mean, spread and confidence interval over images or groups),
        ``report.to_json()``, and add up with ``+``; instances have ``report.f1``, ``report.ap``
        (threshold -> metric), ``report.mean_ap``, ``report.pq``, ``report.matches``; panoptic ones
        ``report.pq``, ``report.sq``, ``report.rq`` (class -> metric) and ``report.mean_pq``.

    Raises
    ------
    ValueError
        If the shapes differ, two layers do not lie on each other, values are not non-negative
        integers, no pixel is left to compare, a segment has no class, or an option is not one of
        those above.
    TypeError
        If `unlabelled` is neither an integer nor None.
    """
    options = {
        "kind": kind,
        "unlabelled": unlabelled,
        "labels_are": labels_are,
        "connectivity": connectivity,
        "spacing": spacing,
        "thresholds": thresholds,
        "by_index": by_index,
        "distances": distances,
        "tolerance": tolerance,
        "class_map": class_map,
    }
    config, limits = change(EvaluateConfig(), options), Limits(region, unseen_by)
    if (unseen_by is None) != (images is None):
        raise ValueError("unseen_by and images go together: give both or neither.")
    if isinstance(prediction, str | PathLike):
        others = (
            None if x is None else as_path(name, x)
            for name, x in (("truth", truth), ("images", images))
        )
        files = pair_label_files(prediction, *others, by_index=by_index, kind=kind)
        return drain(evaluate_files(_with_groups(files, groups), config, limits))
    if truth is None or isinstance(truth, str | PathLike):
        raise ValueError(
            f"prediction is {given(prediction)} and truth {given(truth)}: give the labels to "
            "compare with, arrays with arrays and paths with paths."
        )
    pairs = _with_groups(as_pairs(prediction, truth, images), groups)
    return drain(evaluate_pairs(pairs, config, limits))


def evaluate_files(
    files: Sequence[LabelFiles], config: EvaluateConfig, limits: Limits = NO_LIMITS
) -> Generator[Step, None, Any]:
    """Compare files, of which one pair is held at a time, and pool them."""
    reports = []
    for number, each in enumerate(files, 1):
        reports += drain(report_images([each.read(limits.unseen_by)], config, limits))
        yield Step(number, len(files))
    return pool_reports(reports, config)


def evaluate_pairs(
    pairs: Sequence[LabelPair], config: EvaluateConfig, limits: Limits = NO_LIMITS
) -> Generator[Step, None, Any]:
    """Compare pairs block by block, and pool them: the generator behind `evaluate`."""
    return pool_reports((yield from report_images(pairs, config, limits)), config)


def pool_reports(reports: Sequence[Any], config: EvaluateConfig) -> Any:
    """Pool the reports of images; ValueError if nothing is left to compare."""
    left_out = pool_left_out([report.not_counted for report in reports])
    report = reduce(add, [each for each in reports if not each.not_counted.whole])
    require_pixels(report, config)
    return replace(report, not_counted=left_out)


def require_pixels(report: Report[Metric], config: EvaluateConfig) -> None:
    """ValueError if no pixel of an image was compared, unless a model has seen all of it."""
    if isnan(report.accuracy) and not report.not_counted.whole:
        unlabelled = f"is {config.unlabelled}, which means unlabelled"
        where = "of the region " * bool(report.not_counted.outside)
        raise ValueError(f"Nothing to compare: every pixel {where}of the truth {unlabelled}.")


def _with_groups(pairs: list[P], groups: Sequence[str | None] | None) -> list[P]:
    """Pairs, or files of pairs, with their groups."""
    if groups is None:
        return pairs
    require_type("groups", groups, list, tuple)
    if len(groups) != len(pairs):
        raise ValueError(
            f"groups holds {len(groups)} names for {len(pairs)} pairs of labels: give one for each."
        )
    return [replace(pair, group=_as_group(g)) for pair, g in zip(pairs, groups, strict=True)]


def _as_group(name: object) -> str | None:
    """A name as text; None, "" and the nan of an empty cell are none."""
    return str(name) if name == name and name not in (None, "") else None
