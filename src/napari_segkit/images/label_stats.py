"""What labels hold, seen before anything is learned from them: counts, and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre

from .axes_image import AxesImage
from .classes import LabelClass
from .labels import LabelsError, count_values, read_all_class_labels

FEW_PIXELS = 50
MAX_CLASSES = 1000
TRAIN_ON_OBJECTS_HINT = "or ModelSpec(..., objects='distance') to learn each as an object"
TRAIN_ON_OBJECTS = "objects='distance'"


@dataclass(frozen=True)
class ObjectStats:
    """The objects of one class.

    Parameters
    ----------
    known : LabelClass
        The class.
    number : int
        How many there are.
    typical, smallest, largest : float
        Diameters in pixels of the finest axis: the median and the extremes. Of methods that work
        slice by slice, of what a slice shows.
    """

    label_class: LabelClass
    count: int
    median: float
    smallest: float
    largest: float


@dataclass(frozen=True)
class LabelStats:
    """What labels hold, seen before anything is learned from them.

    Parameters
    ----------
    counts : dict of int to int
        Class value to labelled pixels.
    unlabelled : int
        Pixels that are neither learned nor counted.
    notes : tuple of str
        Sentences about what looks wrong, or what was done to the values.
    problem : str or None
        The sentence that forbids training; None where all is well.
    remedies : tuple of str
        Changes that would help: "paint", "unlabelled=None", "labels_are='objects'",
        "labels_are='classes'", "objects='distance'" (of the model).
    objects : tuple of ObjectStats
        By class, where the labels are learned as single objects.
    fitted : str
        What a method chooses by their sizes, such as "anchors of 8, 16 pixels".
    """

    counts: dict[int, int]
    unlabelled: int
    notes: tuple[str, ...] = ()
    problem: str | None = None
    remedies: tuple[str, ...] = ()
    objects: tuple[ObjectStats, ...] = ()
    size_settings: str = ""


def label_stats(
    labels: Any,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: AxesImage | None = None,
) -> LabelStats:
    """Count labelled pixels per class and say what looks wrong.

    Parameters
    ----------
    labels, unlabelled, labels_are, image
        As in `read_values`. Labels that cannot be read give a survey with that problem.

    Returns
    -------
    LabelStats
        The counts, and sentences for the user.
    """
    try:
        images = None if image is None else [image]
        values, cleaned = read_training_labels(
            [labels], unlabelled=unlabelled, labels_are=labels_are, images=images
        )
    except LabelsError as error:
        return LabelStats({}, 0, (), str(error), error.remedies)
    return label_stats_of(values, unlabelled, cleaned=cleaned)


def read_training_labels(
    labels: Sequence[Any],
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    images: Sequence[AxesImage] | None,
) -> tuple[list[NDArray[np.integer[Any]]], bool]:
    """The label values of several images, for a training that learns classes.

    Parameters
    ----------
    labels, unlabelled, labels_are, images
        As in `read_all_class_labels`.

    Returns
    -------
    tuple
        As `read_all_class_labels` gives it.

    Raises
    ------
    LabelsError
        As in `read_all_class_labels`; of labels that look like objects it says that they can be learned as such.
    """
    try:
        return read_all_class_labels(
            labels, unlabelled=unlabelled, labels_are=labels_are, images=images
        )
    except LabelsError as error:
        if "labels_are='objects'" not in error.remedies:
            raise
        sentence = f"{str(error).removesuffix('.')}, {TRAIN_ON_OBJECTS_HINT}."
        raise LabelsError(sentence, (*error.remedies, TRAIN_ON_OBJECTS)) from None


def label_stats_of(
    values: Sequence[NDArray[Any]], unlabelled: int | None, *, cleaned: bool = False
) -> LabelStats:
    """The survey of several arrays that `read_training_labels` gave, taken together.

    Parameters
    ----------
    values : sequence of ndarray
        Label values.
    unlabelled : int or None
        The value that is never learned nor counted.
    cleaned : bool
        Grey edges were cleaned, which is to be said.

    Returns
    -------
    LabelStats
        The counts, and sentences for the user.
    """
    return _count_and_check(
        np.concatenate([v.ravel() for v in values]), unlabelled, cleaned=cleaned
    )


def _count_and_check(values: NDArray[Any], unlabelled: int | None, *, cleaned: bool) -> LabelStats:
    present, pixels = count_values(values)
    counts = {int(v): int(n) for v, n in zip(present, pixels, strict=True)}
    left_out = counts.pop(unlabelled, 0) if unlabelled is not None else 0
    notes = list(_notes(counts, left_out, unlabelled))
    if cleaned:
        notes.insert(0, "A 0/255 mask with grey edges: above 127 is taken as 255, the rest as 0.")
    return LabelStats(counts, left_out, tuple(notes), *_problem(counts, left_out, unlabelled))


def _problem(
    counts: dict[int, int], left_out: int, unlabelled: int | None
) -> tuple[str | None, tuple[str, ...]]:
    if len(counts) > MAX_CLASSES:
        return (
            f"The labels hold {len(counts)} classes; a network learns at most {MAX_CLASSES}: if "
            f"the values are ids of objects, choose labels_are='objects', {TRAIN_ON_OBJECTS_HINT}.",
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
            f"The labels hold one class only ({only}) and every pixel has it: paint at least two "
            "classes.",
            ("paint",),
        )
    return (
        f"The labels hold one class only ({only}), and a network needs two to tell apart: paint "
        f"background as a class, or take everything unpainted ({unlabelled}) as background with "
        "unlabelled=None.",
        ("paint", "unlabelled=None"),
    )


def _notes(counts: dict[int, int], left_out: int, unlabelled: int | None) -> list[str]:
    notes = []
    total = sum(counts.values()) + left_out
    if unlabelled is None and counts.get(0, 0) > 0.9 * total and len(counts) > 2:
        notes.append(
            f"0 fills {counts[0] / total:.0%} of the pixels and is learned as a class: for "
            "scribbles choose unlabelled=0."
        )
    if unlabelled == 0 and len(counts) == 1 and left_out > 0:
        notes.append(
            f"0 fills {left_out / total:.0%} of the pixels and one other value the rest: if this "
            "is a mask, 0 is its background, and unlabelled=None says so."
        )
    if unlabelled == 0 and len(counts) > 1 and left_out < 0.5 * total and left_out > 0:
        notes.append(
            f"0 fills only {left_out / total:.0%} of the pixels and is left out: if 0 is the "
            "background of a mask, choose unlabelled=None."
        )
    if 255 in counts and unlabelled != 255 and len(counts) > 2:
        notes.append(
            "255 is learned as a class: where it means unlabelled, as in many photographs' masks, "
            "choose unlabelled=255."
        )
    few = [str(v) for v, n in counts.items() if n < FEW_PIXELS]
    if few:
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        named = f"Class {', '.join(few[:5])}{more}"
        notes.append(f"{named}: fewer than {FEW_PIXELS} labelled pixels each; paint more.")
    return notes
