"""Labels as people paint them: what each value means is settled here, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import LabelsAre

from .images import Image, full_resolution, is_layer

IGNORE = -1
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7",
    "#9c755f", "#8cd17d", "#d37295", "#499894",
)  # fmt: skip
RINGING = 8  # resizing and JPEG shift even flat parts of a mask by this much
OBJECTS_FROM = 6  # so many values with one piece each look like objects


@dataclass(frozen=True)
class LabelClass:
    """One class of a model.

    Parameters
    ----------
    value : int
        The label value that means it.
    name : str
        What a person calls it.
    color : str
        How it is drawn, "#rrggbb".
    """

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class Survey:
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
        "labels_are='classes'".
    """

    counts: dict[int, int]
    unlabelled: int
    notes: tuple[str, ...] = ()
    problem: str | None = None
    remedies: tuple[str, ...] = ()


class LabelsError(ValueError):
    """Labels that cannot be used as they are.

    Parameters
    ----------
    message : str
        The sentence for the user.
    remedies : tuple of str
        Changes that would help, as in `Survey`.
    """

    def __init__(self, message: str, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies


def read_values(
    labels: Any,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: Image | None = None,
) -> NDArray[np.integer[Any]]:
    """Label values as they are learned and counted.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        Non-negative integers.
    unlabelled : int or None
        The value that is never learned nor counted.
    labels_are : {"ask", "classes", "objects"}
        "objects" takes all ids as one class, 1, with 0 as background.
    image : Image, optional
        The image they belong to: shapes are compared, and a channel axis is folded away.

    Returns
    -------
    ndarray
        Integers, in the image's order of axes without C.

    Raises
    ------
    LabelsError
        If they are not non-negative integers, do not fit the image, or look like objects
        where `labels_are` is "ask".
    """
    values = np.asarray(full_resolution(labels))
    _require_integers(values)
    if image is not None:
        values = _fit_image(values, image)
    if labels_are == "objects":
        return _as_one_class(values, unlabelled)
    values = clean_edges(values, unlabelled)
    if labels_are == "ask" and looks_like_objects(values, unlabelled):
        count = len(_present(values, unlabelled))
        raise LabelsError(
            f"The labels hold {count} values of one piece each and look like objects: choose "
            "labels_are='objects' to take all of them as one class, or labels_are='classes' if "
            "each value is a class.",
            ("labels_are='objects'", "labels_are='classes'"),
        )
    return values


def survey(
    labels: Any,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: Image | None = None,
) -> Survey:
    """Count labelled pixels per class and say what looks wrong.

    Parameters
    ----------
    labels, unlabelled, labels_are, image
        As in `read_values`. Labels that cannot be read give a survey with that problem.

    Returns
    -------
    Survey
        The counts, and sentences for the user.
    """
    try:
        values = read_values(labels, unlabelled=unlabelled, labels_are=labels_are, image=image)
    except LabelsError as error:
        return Survey({}, 0, (), str(error), error.remedies)
    return _judge(values, unlabelled, cleaned=_has_grey_edges(labels, unlabelled, labels_are))


def survey_values(values: Sequence[NDArray[Any]], unlabelled: int | None) -> Survey:
    """The survey of several arrays that `read_values` gave, taken together."""
    return _judge(np.concatenate([v.ravel() for v in values]), unlabelled, cleaned=False)


def classes_of(labels: Any, values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Names and colours of label values.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        A layer gives names (its features' columns "index" and "name") and colours.
    values : sequence of int
        The label values.

    Returns
    -------
    tuple of LabelClass
        One for each value; "class 3" and a fixed palette where the labels say nothing.
    """
    names = _names(getattr(labels, "features", None)) if is_layer(labels) else {}
    colors = _colors(getattr(labels, "colormap", None)) if is_layer(labels) else {}
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), colors.get(v, default_color(v)))
        for v in map(int, values)
    )


def default_color(value: int) -> str:
    """The palette's colour of a label value, "#rrggbb"."""
    return PALETTE[(value - 1) % len(PALETTE)]


def to_indices(values: NDArray[Any], classes: Sequence[int]) -> NDArray[np.int16]:
    """Label values as positions in `classes`, `IGNORE` for every other value."""
    order = np.asarray(classes)
    places = np.searchsorted(order, values).clip(0, len(order) - 1)
    return np.where(order[places] == values, places, IGNORE).astype(np.int16)


def from_indices(indices: NDArray[Any], classes: Sequence[int]) -> NDArray[np.unsignedinteger[Any]]:
    """Positions in `classes` as label values, in the smallest unsigned type that holds them."""
    return np.asarray(classes, np.min_scalar_type(max(classes)))[indices]


def clean_edges(values: NDArray[Any], unlabelled: int | None) -> NDArray[Any]:
    """Undo what resizing did to a 0/255 mask: values above 127 become 255 and the rest 0.

    Only masks whose other values all lie on edges between 0 and 255 are changed; every other
    array is returned as it is.

    Parameters
    ----------
    values : ndarray
        Label values of any shape.
    unlabelled : int or None
        A mask where 255 means unlabelled is left alone.

    Returns
    -------
    ndarray
        The same array, or a cleaned copy.
    """
    if not _grey_edges(values, unlabelled):
        return values
    return np.where(values > 127, 255, 0).astype(values.dtype)


def looks_like_objects(values: NDArray[Any], unlabelled: int | None) -> bool:
    """Whether values are ids: many of them, nearly each in one connected piece."""
    ids = [v for v in _present(values, unlabelled) if v != 0]
    if len(ids) < OBJECTS_FROM:
        return False
    from skimage.measure import label

    wanted = np.where(np.isin(values, ids), values, 0)
    pieces = int(label(wanted, background=0, return_num=True)[1])  # type: ignore[no-untyped-call]
    return pieces <= 1.25 * len(ids)


def _require_integers(values: NDArray[Any]) -> None:
    if not np.issubdtype(values.dtype, np.integer):
        raise LabelsError(
            f"The labels have dtype {values.dtype}; they must be integers, one value a class: "
            "convert them, for instance with labels.astype('uint8')."
        )
    if values.size and values.min() < 0:
        raise LabelsError(
            f"The labels hold negative values (the lowest is {values.min()}); values must be 0 or "
            "more: give pixels to leave out a value of their own and name it with unlabelled."
        )


def _fit_image(values: NDArray[Any], image: Image) -> NDArray[Any]:
    wanted = image.without_channels()
    if values.shape == wanted:
        return values
    if "C" in image.axes and values.shape == image.shape:
        return _fold_channels(values, image.axes.index("C"))
    raise LabelsError(
        f"The labels have shape {values.shape}, but {image.name} of shape {image.shape} with axes "
        f"{image.axes} needs labels of shape {wanted}: make new labels for this image, or name "
        "its axes."
    )


def _fold_channels(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Labels painted on single channels as labels of the pixel; 0 there means not painted."""
    folded = values.max(axis=axis)
    clash = ((values != 0) & (values != np.expand_dims(folded, axis))).any(axis=axis)
    if clash.any():
        raise LabelsError(
            f"The labels have a channel axis, and {int(clash.sum())} pixels are painted "
            "differently in different channels: keep one value per pixel."
        )
    return folded


def _as_one_class(values: NDArray[Any], unlabelled: int | None) -> NDArray[Any]:
    one = (values != 0).astype(np.uint8)
    if unlabelled in (None, 0):
        return one
    kept = np.min_scalar_type(max(int(unlabelled), 1))
    return np.where(values == unlabelled, unlabelled, one).astype(kept)


def _present(values: NDArray[Any], unlabelled: int | None) -> list[int]:
    return [int(v) for v in _count(values)[0] if v != unlabelled]


def _count(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The distinct values and their counts; fast where values are small."""
    if values.size and values.max() < 2**16:
        counts = np.bincount(values.ravel().astype(np.intp, copy=False))
        present = np.flatnonzero(counts)
        return present, counts[present]
    return np.unique(values, return_counts=True)


def _has_grey_edges(labels: Any, unlabelled: int | None, labels_are: LabelsAre) -> bool:
    if labels_are == "objects":
        return False
    return _grey_edges(np.asarray(full_resolution(labels)), unlabelled)


def _grey_edges(values: NDArray[Any], unlabelled: int | None) -> bool:
    """Whether nearly all values between 0 and 255 lie on an edge from one to the other."""
    if values.dtype != np.uint8 or unlabelled == 255:
        return False
    counts = np.bincount(values.ravel(), minlength=256)
    middle = slice(RINGING + 1, 255 - RINGING)
    if not (counts[0] and counts[255] and np.count_nonzero(counts[middle]) > 2):
        return False
    grey = (values > RINGING) & (values < 255 - RINGING)
    plane = (1,) * (values.ndim - 2) + (9, 9)
    above = ndimage.maximum_filter(values, plane) > 127
    below = ndimage.minimum_filter(values, plane) < 128
    return bool((above & below)[grey].mean() > 0.95)


def _judge(values: NDArray[Any], unlabelled: int | None, *, cleaned: bool) -> Survey:
    present, pixels = _count(values)
    counts = {int(v): int(n) for v, n in zip(present, pixels, strict=True)}
    left_out = counts.pop(unlabelled, 0) if unlabelled is not None else 0
    notes = list(_notes(counts, left_out, unlabelled))
    if cleaned:
        notes.insert(0, "A 0/255 mask with grey edges: above 127 is taken as 255, the rest as 0.")
    return Survey(counts, left_out, tuple(notes), *_problem(counts, left_out, unlabelled))


def _problem(
    counts: dict[int, int], left_out: int, unlabelled: int | None
) -> tuple[str | None, tuple[str, ...]]:
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
    few = [str(v) for v, n in counts.items() if n < 50]
    if few:
        notes.append(f"Class {', '.join(few)} has fewer than 50 labelled pixels: paint more.")
    return notes


def _names(features: Any) -> dict[int, str]:
    """Label value -> name, from a features table."""
    if features is None or not len(features):
        return {}
    column = next((c for c in ("name", "class") if c in features), None)
    if column is None:
        return {}
    index = features.get("index", features.index)
    pairs = zip(index, features[column], strict=True)
    return {int(i): str(n) for i, n in pairs if isinstance(n, str) and n}


def _colors(colormap: Any) -> dict[int, str]:
    """Label value -> colour, where a person chose them one by one."""
    chosen = getattr(colormap, "color_dict", None) or {}
    return {int(v): _hex(c) for v, c in chosen.items() if v is not None and float(c[3]) > 0}


def _hex(rgba: Any) -> str:
    return "#" + "".join(f"{round(float(x) * 255):02x}" for x in rgba[:3])
