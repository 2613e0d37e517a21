"""Statistics of labels before training: pixels per class, and what may be wrong with them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from napari_segkit.config import LabelsAre

from .axes_image import AxesImage
from .binary_masks import has_grey_edges, threshold_mask
from .classes import LabelClass
from .colour_masks import replace_own_colours
from .labels import (
    MIN_INSTANCES,
    LabelsError,
    instance_ids_error,
    labels_name,
    looks_like_instance_ids,
    merge_instances,
    read_label_arrays,
    require_class_value,
    require_no_negatives,
)
from .types import AnyArray, ImageSource
from .value_counts import count_values

FEW_PIXELS = 50
MAX_CLASSES = 1000
GREY_EDGES = "A 0/255 mask with grey edges: values above 127 become 255, others 0."
BACKGROUND = (
    "The labels hold 0 and 255 only, as a mask does: 0 is taken as the background, a class like "
    "255 (unlabelled=None)."
)
TRAIN_ON_OBJECTS = "objects='distance'"
TRAIN_ON_OBJECTS_HINT = "or ModelSpec(..., objects='distance') to train on single objects"


class LabelCounts(NamedTuple):
    """What the class labels of one image hold, from one pass over them."""

    counts: dict[int, int]  # pixels of each value
    has_grey_edges: bool = False
    id_count: int = 0  # of values that look like instance ids; 0 if they do not
    name: str = "The labels"  # of the labels, for messages


class TrainingLabels(NamedTuple):
    """Class labels as they are trained on, of all images together."""

    counts: dict[int, int]
    unlabelled: int | None  # None in place of 0 where that is a mask's background
    notes: tuple[str, ...] = ()  # what was changed
    change: Callable[[AnyArray], AnyArray] | None = None  # of the values of each image
    of_image: tuple[dict[int, int], ...] = ()  # the counts of each, so changed


@dataclass(frozen=True)
class ObjectStats:
    """Objects of one class; diameters in pixels of the finest axis, per slice in 2D methods."""

    label_class: LabelClass
    count: int
    median: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class LabelStats:
    """Labelled pixels per class value, with notes, a problem and its remedies for the user."""

    counts: dict[int, int]
    unlabelled: int  # pixels left out of training and metrics
    notes: tuple[str, ...] = ()
    problem: str | None = None  # why the labels cannot be trained on
    remedies: tuple[str, ...] = ()  # "paint", "unlabelled=None", "labels_are='objects'", ...
    objects: tuple[ObjectStats, ...] = ()  # by class, if the model is trained on objects
    size_settings: str = ""  # what a method sets from their sizes: "anchors of 8, 16 pixels"

    @property
    def is_counted(self) -> bool:
        """Whether the labels could be read."""
        return bool(self.counts or self.unlabelled)


def label_stats(
    labels: ImageSource,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: AxesImage | None = None,
) -> LabelStats:
    """Statistics of the labels of one image; labels that cannot be read are a `problem`."""
    images = None if image is None else [image]
    try:
        read, note = replace_own_colours(labels, image)
        (values,) = read_label_arrays([read], images)
        counted = count_labels(values, unlabelled, labels_are, labels_name(labels, image))
        training = training_labels([counted], unlabelled=unlabelled, labels_are=labels_are)
    except LabelsError as error:
        return LabelStats({}, 0, (), str(error), error.remedies)
    stats = label_stats_of(training)
    return replace(stats, notes=(note, *stats.notes)) if note else stats


def count_labels(
    values: AnyArray, unlabelled: int | None, labels_are: LabelsAre, name: str = "The labels"
) -> LabelCounts:
    """Count the values of one image, and see what they look like, as far as that is asked."""
    present, pixels = count_values(values)
    counts = {int(v): int(n) for v, n in zip(present, pixels, strict=True)}
    if labels_are == "objects":
        return LabelCounts(counts, name=name)
    if has_grey_edges(values, unlabelled):
        return LabelCounts(counts, has_grey_edges=True, name=name)
    is_ids = labels_are == "ask" and looks_like_instance_ids(values, unlabelled)
    ids = sum(value != unlabelled for value in counts) if is_ids else 0
    return LabelCounts(counts, id_count=ids, name=name)


def count_blocks(
    blocks: Iterable[AnyArray], unlabelled: int | None, labels_are: LabelsAre, name: str
) -> LabelCounts:
    """As `count_labels`, of labels that are read block by block."""
    counts: Counter[int] = Counter()
    edges, ids = False, []
    for block in blocks:
        require_no_negatives(block)
        own = count_labels(block, unlabelled, labels_are)
        counts.update(own.counts)
        edges |= own.has_grey_edges
        if sum(value != unlabelled for value in own.counts) >= MIN_INSTANCES:
            ids.append(own.id_count > 0)
    found = dict(sorted(counts.items()))
    count = sum(value != unlabelled for value in found) if ids and all(ids) else 0
    return LabelCounts(found, edges, 0 if edges else count, name)


def training_labels(
    counted: Sequence[LabelCounts], *, unlabelled: int | None, labels_are: LabelsAre
) -> TrainingLabels:
    """The labels of several images as they are trained on.

    "objects" merges instance ids into one class; "ask" raises LabelsError if they look like
    instance ids. If one mask of 0 and 255 has grey edges, those of all are cleaned. The 0 of masks
    of 0 and 255 is never unlabelled, because then only one class would be left.
    """
    change: Callable[[AnyArray], AnyArray] | None = None
    if labels_are == "objects":
        change = partial(merge_instances, unlabelled=unlabelled)
    elif any(each.has_grey_edges for each in counted):
        change = threshold_mask
    elif ids := max(each.id_count for each in counted):
        raise _instance_ids(ids, unlabelled)
    of_image = tuple(_changed(each.counts, change) for each in counted)
    if change is None:
        for each in counted:
            require_class_value(max(each.counts), each.name)
    counts: Counter[int] = Counter()
    for own in of_image:
        counts.update(own)
    total = dict(sorted(counts.items()))
    notes = (GREY_EDGES,) if change is threshold_mask else ()
    if unlabelled == 0 and total.keys() == {0, 255}:
        return TrainingLabels(total, None, (*notes, BACKGROUND), change, of_image)
    return TrainingLabels(total, unlabelled, notes, change, of_image)


def _changed(
    counts: dict[int, int], change: Callable[[AnyArray], AnyArray] | None
) -> dict[int, int]:
    """Counts of the changed values."""
    if change is None:
        return counts
    changed: Counter[int] = Counter()
    for value, count in zip(change(np.array(list(counts))).tolist(), counts.values(), strict=True):
        changed[value] += count
    return dict(changed)


def _instance_ids(count: int, unlabelled: int | None) -> LabelsError:
    error = instance_ids_error(count, unlabelled)
    sentence = f"{str(error).removesuffix('.')}, {TRAIN_ON_OBJECTS_HINT}."
    return LabelsError(sentence, (*error.remedies, TRAIN_ON_OBJECTS))


def label_stats_of(labels: TrainingLabels) -> LabelStats:
    """Statistics of class labels of all images."""
    counts, unlabelled, changes = dict(labels.counts), labels.unlabelled, labels.notes
    left_out = counts.pop(unlabelled, 0) if unlabelled is not None else 0
    notes = (*changes, *_notes(counts, left_out, unlabelled))
    return LabelStats(counts, left_out, notes, *_problem(counts, left_out, unlabelled))


def _problem(
    counts: dict[int, int], left_out: int, unlabelled: int | None
) -> tuple[str | None, tuple[str, ...]]:
    """Why the labels cannot be trained on, and the remedies."""
    if len(counts) > MAX_CLASSES:
        return (
            f"The labels hold {len(counts)} classes, but a network has at most {MAX_CLASSES}: if "
            "the values are instance ids, choose labels_are='objects', "
            f"{TRAIN_ON_OBJECTS_HINT}.",
            ("labels_are='objects'", TRAIN_ON_OBJECTS),
        )
    if not counts:
        return (
            f"Nothing is labelled: every pixel is {unlabelled}, which means unlabelled. Paint a "
            "few strokes of each class.",
            ("paint",),
        )
    if len(counts) > 1:
        return None, ()
    (only,) = counts
    if left_out == 0:
        return (
            f"The labels hold one class only ({only}), in every pixel: paint at least two classes.",
            ("paint",),
        )
    return (
        f"The labels hold one class only ({only}), but training needs two or more: paint the "
        f"background as a class, or set unlabelled=None to take all unpainted pixels "
        f"({unlabelled}) as background.",
        ("paint", "unlabelled=None"),
    )


def _notes(counts: dict[int, int], left_out: int, unlabelled: int | None) -> list[str]:
    """What looks wrong about the choice of `unlabelled` or the number of pixels."""
    notes = []
    total = sum(counts.values()) + left_out
    if unlabelled is None and counts.get(0, 0) > 0.9 * total and len(counts) > 2:
        notes.append(
            f"Value 0 covers {counts[0] / total:.0%} of the pixels and is a class of its own, as "
            "in masks: if these are scribbles, choose unlabelled=0."
        )
    if unlabelled == 0 and len(counts) == 1 and left_out > 0:
        notes.append(
            f"Value 0 covers {left_out / total:.0%} of the pixels and one other value the rest: if "
            "this is a mask with 0 as background, choose unlabelled=None."
        )
    if unlabelled == 0 and len(counts) > 1 and left_out < 0.5 * total and left_out > 0:
        notes.append(
            f"Value 0 covers only {left_out / total:.0%} of the pixels and is left out: if it is "
            "the background of a mask, choose unlabelled=None."
        )
    if 255 in counts and unlabelled != 255 and len(counts) > 2:
        notes.append(
            "Value 255 is a class of its own: if it means unlabelled, as in many masks of "
            "photographs, choose unlabelled=255."
        )
    few = [str(v) for v, n in counts.items() if n < FEW_PIXELS]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        notes.append(
            f"Class {', '.join(few[:5])}{more}: fewer than {FEW_PIXELS} labelled pixels each; "
            "paint more."
        )
    return notes
