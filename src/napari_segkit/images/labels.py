"""Labels as people paint them: what each value means is settled here, once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import LabelsAre

from .axes_image import SPATIAL, AxesImage, full_resolution
from .orientation import orientation_of, reorient

IGNORE = -1
RINGING = 8  # resizing and JPEG shift even flat parts of a mask by this much
MIN_INSTANCES = 6  # so many values with one piece each look like objects


class LabelsError(ValueError):
    """Labels that cannot be used as they are.

    Parameters
    ----------
    message : str
        The sentence for the user.
    remedies : tuple of str
        Changes that would help, as in `LabelStats`.
    """

    def __init__(self, message: str, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies


def read_class_labels(
    labels: Any,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: AxesImage | None = None,
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
    image : AxesImage, optional
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
    images = None if image is None else [image]
    return read_all_class_labels(
        [labels], unlabelled=unlabelled, labels_are=labels_are, images=images
    )[0][0]


def read_all_class_labels(
    labels: Sequence[Any],
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    images: Sequence[AxesImage] | None = None,
) -> tuple[list[NDArray[np.integer[Any]]], bool]:
    """The label values of several images, judged together.

    Parameters
    ----------
    labels : sequence of array-like or napari Labels layer
        As in `read_class_labels`, each.
    unlabelled, labels_are
        As in `read_class_labels`.
    images : sequence of AxesImage, optional
        The images they belong to.

    Returns
    -------
    tuple
        The values, and whether grey edges of 0/255 masks were cleaned: of all, if of one.

    Raises
    ------
    LabelsError
        As in `read_class_labels`.
    """
    values = read_label_arrays(labels, images)
    if labels_are == "objects":
        return [_merge_instances(v, unlabelled) for v in values], False
    cleaned = any(has_grey_edges(v, unlabelled) for v in values)
    if cleaned:
        values = [_threshold_mask(v) for v in values]
    if labels_are == "ask":
        _refuse_instance_ids(values, unlabelled)
    return values, cleaned


def read_label_arrays(
    labels: Sequence[Any], images: Sequence[AxesImage] | None = None
) -> list[NDArray[np.integer[Any]]]:
    """Labels as integers that lie as their images do, whatever they mean.

    Parameters
    ----------
    labels, images
        As in `read_all_class_labels`.

    Returns
    -------
    list of ndarray
        In the images' order of axes without C.

    Raises
    ------
    LabelsError
        If they are not non-negative integers, or do not fit the images.
    """
    values = [np.asarray(full_resolution(painted)) for painted in labels]
    for array in values:
        _require_integers(array)
    if images is None:
        return values
    return [align_to_image(*each) for each in zip(values, labels, images, strict=True)]


def align_to_image(values: NDArray[Any], labels: Any, image: AxesImage) -> NDArray[Any]:
    """Values of the pixels of labels, lying as their image does, without its channel axis.

    Parameters
    ----------
    values : ndarray
        In the labels' own shape.
    labels : array-like or napari Labels layer
        Says how they lie.
    image : AxesImage
        The image they belong to.
    """
    return _require_image_shape(
        reorient(values, SPATIAL, orientation_of(labels), image.orientation), image
    )


def to_indices(values: NDArray[Any], classes: Sequence[int]) -> NDArray[np.int16]:
    """Label values as positions in `classes`, `IGNORE` for every other value."""
    order = np.asarray(classes)
    places = np.searchsorted(order, values).clip(0, len(order) - 1)
    return np.where(order[places] == values, places, IGNORE).astype(np.int16)


def from_indices(indices: NDArray[Any], classes: Sequence[int]) -> NDArray[np.unsignedinteger[Any]]:
    """Positions in `classes` as label values, in the smallest unsigned type that holds them."""
    return np.asarray(classes, np.min_scalar_type(max(classes)))[indices]


def clean_grey_edges(values: NDArray[Any], unlabelled: int | None) -> NDArray[Any]:
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
    return _threshold_mask(values) if has_grey_edges(values, unlabelled) else values


def looks_like_instance_ids(values: NDArray[Any], unlabelled: int | None) -> bool:
    """Whether values are ids: many of them, nearly each in one connected piece."""
    ids = [v for v in _labelled_values(values, unlabelled) if v != 0]
    if len(ids) < MIN_INSTANCES:
        return False
    from skimage.measure import label

    wanted = np.where(np.isin(values, ids), values, 0)
    pieces = int(label(wanted, background=0, return_num=True)[1])  # type: ignore[no-untyped-call]
    return pieces <= 1.25 * len(ids)


def _threshold_mask(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(values > 127, 255, 0).astype(np.uint8)


def _refuse_instance_ids(values: Sequence[NDArray[Any]], unlabelled: int | None) -> None:
    most = max(
        (v for v in values if looks_like_instance_ids(v, unlabelled)), key=np.max, default=None
    )
    if most is not None:
        raise LabelsError(
            f"The labels hold {len(_labelled_values(most, unlabelled))} values of one piece each and look "
            "like objects: choose labels_are='objects' to take all of them as one class, or "
            "labels_are='classes' if each value is a class.",
            ("labels_are='objects'", "labels_are='classes'"),
        )


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


def _require_image_shape(values: NDArray[Any], image: AxesImage) -> NDArray[Any]:
    wanted = image.label_shape
    if values.shape == wanted:
        return values
    if "C" in image.axes and values.shape == image.shape:
        return _merge_channels(values, image.axes.index("C"))
    raise LabelsError(
        f"The labels have shape {values.shape}, but {image.name} of shape {image.shape} with axes "
        f"{image.axes} needs labels of shape {wanted}: make new labels for this image, or name "
        "its axes."
    )


def _merge_channels(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Labels painted on single channels as labels of the pixel; 0 there means not painted."""
    folded = values.max(axis=axis)
    clash = ((values != 0) & (values != np.expand_dims(folded, axis))).any(axis=axis)
    if clash.any():
        raise LabelsError(
            f"The labels have a channel axis, and {int(clash.sum())} pixels are painted "
            "differently in different channels: keep one value per pixel."
        )
    return folded


def _merge_instances(values: NDArray[Any], unlabelled: int | None) -> NDArray[Any]:
    if unlabelled == 1:
        raise LabelsError(
            "labels_are='objects' makes one class of all objects, 1, so unlabelled cannot be 1: "
            "give unlabelled pixels another value."
        )
    one = (values != 0).astype(np.uint8)
    if unlabelled in (None, 0):
        return one
    kept = np.min_scalar_type(max(int(unlabelled), 1))
    return np.where(values == unlabelled, unlabelled, one).astype(kept)


def _labelled_values(values: NDArray[Any], unlabelled: int | None) -> list[int]:
    return [int(v) for v in count_values(values)[0] if v != unlabelled]


def count_values(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The distinct values and their counts; fast where values are small."""
    if values.size and values.max() < 2**16:
        counts = np.bincount(values.ravel().astype(np.intp, copy=False))
        present = np.flatnonzero(counts)
        return present, counts[present]
    return np.unique(values, return_counts=True)


def has_grey_edges(values: NDArray[Any], unlabelled: int | None) -> bool:
    """Whether nearly all values between 0 and 255 lie on an edge from one to the other."""
    if unlabelled == 255 or not values.size or values.max() != 255:
        return False
    counts = np.bincount(values.ravel().astype(np.intp, copy=False), minlength=256)
    middle = slice(RINGING + 1, 255 - RINGING)
    if not (counts[0] and np.count_nonzero(counts[middle]) > 1):
        return False
    grey = (values > RINGING) & (values < 255 - RINGING)
    plane = (1,) * (values.ndim - 2) + (9, 9)[-values.ndim :]
    above = ndimage.maximum_filter(values, plane) > 127
    below = ndimage.minimum_filter(values, plane) < 128
    return bool((above & below)[grey].mean() > 0.95)


def as_unsigned(values: NDArray[Any]) -> NDArray[Any]:
    """Give label values an unsigned type that files can hold.

    Parameters
    ----------
    values : ndarray of int
        0 or more, below 2**32.

    Returns
    -------
    ndarray
        uint8, uint16 or uint32; as it is where it has one of these types.

    Raises
    ------
    ValueError
        If they are no such integers.
    """
    if not np.issubdtype(values.dtype, np.integer) or (values.size and values.min() < 0):
        raise ValueError(f"Labels of dtype {values.dtype} must be integers of 0 or more.")
    if values.size and values.max() >= 2**32:
        raise ValueError(f"The label value {values.max()} is too large for a file of labels.")
    if values.dtype in (np.uint8, np.uint16, np.uint32):
        return values
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
