"""Labels in which each object has its own number: what they mean is settled here, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre, TrainConfig
from napari_segkit.images.axes_image import AXES, AxesImage, full_resolution
from napari_segkit.images.classes import LabelClass, classes_of, default_color
from napari_segkit.images.labels import IGNORE, LabelsError, as_lies, as_values, count
from napari_segkit.images.training_pairs import require_same_channels

from .annotated_regions import complete

LOOKED_UP = 2**24  # ids below this are numbered by a table
PIECES = 3  # so many pieces a value look like classes
BACKGROUND = LabelClass(0, "background", default_color(0))

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class ObjectLabels:
    """Objects of one or several images, as a training takes them.

    Parameters
    ----------
    ids : list of ndarray
        int32, in the images' shapes without channels: 0 background, a number for each object that
        no other has in any of the images, -1 not annotated.
    classes : tuple of LabelClass
        Background, of value 0, then the classes of the objects by rising value.
    class_of : ndarray
        Position in `classes` of each id; 0 of id 0.
    """

    ids: list[Ids]
    classes: tuple[LabelClass, ...]
    class_of: NDArray[np.intp]


def read_objects(
    labels: Sequence[Any],
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    images: Sequence[AxesImage] | None = None,
    ndim: int = 3,
    object_classes: Sequence[Any] | None = None,
    regions: Sequence[Any] | None = None,
) -> ObjectLabels:
    """The objects in the labels of several images, with their classes.

    Parameters
    ----------
    labels : sequence of array-like or napari Labels layer
        0 is background; what the other values mean, `labels_are` says.
    unlabelled : int or None
        A value that is not annotated; None and 0 leave nothing out.
    labels_are : {"ask", "classes", "objects"}
        "objects": each value is one object. "classes": each connected piece of a value is one
        object, and the value is its class. "ask": as "objects", but labels of few values in many
        pieces are refused with a question.
    images : sequence of AxesImage, optional
        The images they belong to.
    ndim : int
        Spatial dimensions in which pieces are connected: with 2 the slices of a stack are apart;
        time points always are.
    object_classes : sequence of array-like or napari Labels layer, optional
        Labels of the same shapes that hold, in each object, the value of its class. None: the
        column "class" of a layer's features, or one class for all.
    regions : sequence, optional
        What is annotated completely, as in `regions.complete`; a None among them, or for all of
        them, means the whole image.

    Returns
    -------
    ObjectLabels
        Ids and classes.

    Raises
    ------
    LabelsError
        If they cannot be read so, if there is no object, or if objects lack a class.
    """
    values = as_values(labels, images)
    ids, last, found = [], 0, []
    for number, array in enumerate(values):
        image = images[number] if images else None
        axes = image.label_axes if image else None
        own, of_value = ids_of(
            array, unlabelled=unlabelled, labels_are=labels_are, axes=axes, ndim=ndim
        )
        own[np.isin(own, _stuff(labels[number], of_value))] = 0
        if regions and regions[number] is not None:
            own[~_annotated(regions[number], labels[number], image)] = IGNORE
        ids.append(np.where(own > 0, own + last, own).astype(np.int32, copy=False))
        last += len(of_value)
        found.append((own, of_value))
    _require_objects(ids)
    if object_classes is not None:
        painted = as_values(object_classes, images)
        named = [_majority(own, p, len(v)) for (own, v), p in zip(found, painted, strict=True)]
        of_object = np.concatenate(named)
        return _with_classes(ids, of_object, classes_of(list(object_classes), _present(of_object)))
    if labels_are == "classes":
        of_object = np.concatenate([v for _, v in found])
        return _with_classes(ids, of_object, classes_of(list(labels), _present(of_object)))
    return _with_classes(ids, *_from_features(labels, [v for _, v in found]))


def _annotated(region: Any, labels: Any, image: AxesImage | None) -> NDArray[np.bool_]:
    """Which pixels are annotated, lying as the image does."""
    marked = complete(region, labels, full_resolution(labels).shape)
    return marked if image is None else as_lies(marked.view(np.uint8), labels, image) > 0


def ids_of(
    values: NDArray[Any],
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    axes: str | None = None,
    ndim: int = 3,
) -> tuple[Ids, NDArray[Any]]:
    """Ids of the objects in one array of label values.

    Parameters
    ----------
    values : ndarray
        Non-negative integers, however large.
    unlabelled, labels_are, ndim
        As in `read_objects`.
    axes : str, optional
        What each dimension of the values is, such as "TYX". None: the last ones are spatial.

    Returns
    -------
    tuple of ndarray
        int32 of the same shape: 0 background, 1, 2, ... objects, -1 not annotated; and the label
        value of each object.

    Raises
    ------
    LabelsError
        If `labels_are` is "ask" and the values look like classes.
    """
    left_out = None if unlabelled in (None, 0) else values == unlabelled
    inside = values if left_out is None else np.where(left_out, 0, values)
    if labels_are == "ask":
        _ask_about_classes(inside)
    if labels_are == "classes":
        ids = _pieces_apart(inside, axes, ndim)
        firsts = np.unique(ids, return_index=True)
        of_value = inside.ravel()[firsts[1][firsts[0] > 0]]
    else:
        present = count(inside)[0]
        of_value = present[present != 0]
        ids = _numbered(inside, of_value)
    ids = ids.astype(np.int32)
    if left_out is not None:
        ids[left_out] = IGNORE
    return ids, of_value


def _numbered(values: NDArray[Any], of_value: NDArray[Any]) -> NDArray[Any]:
    """Values as their places among all of them, from 1 on; 0 stays 0."""
    if not len(of_value) or of_value[-1] >= LOOKED_UP:
        return np.where(values > 0, np.searchsorted(of_value, values) + 1, 0)
    numbers = np.zeros(int(of_value[-1]) + 1, np.int32)
    numbers[of_value] = np.arange(1, len(of_value) + 1)
    return numbers[values]


def _pieces_apart(values: NDArray[Any], axes: str | None, ndim: int) -> Ids:
    """Connected pieces, numbered through, of each place that is looked at by itself."""
    named = AxesImage(values, axes or AXES.replace("C", "")[-values.ndim :])
    ids, last = np.zeros(values.shape, np.int32), 0
    region = tuple(slice(0, n) for n in named.spatial(ndim))
    for frame in named.frames(ndim):
        pieces = pieces_of(named.read(frame, region)[0])
        named.write(ids, frame, np.where(pieces > 0, pieces + last, 0))
        last += int(pieces.max(initial=0))
    return ids


def pieces_of(values: NDArray[Any]) -> NDArray[Any]:
    """Connected pieces of equal values, also by corners, numbered from 1; 0 stays 0."""
    from skimage.measure import label

    pieces: NDArray[Any] = label(values, background=0)  # type: ignore[no-untyped-call]
    return pieces


def training_objects(
    images: Sequence[AxesImage],
    labels: Sequence[Any],
    config: TrainConfig,
    *,
    ndim: int,
    object_classes: Sequence[Any] | None = None,
    regions: Sequence[Any] | None = None,
) -> ObjectLabels:
    """The objects that a training learns; one sentence where they cannot be learned.

    Parameters
    ----------
    images, labels, ndim, object_classes, regions
        As in `read_objects`.
    config : TrainConfig
        Its `unlabelled` and `labels_are`.
    """
    require_same_channels(images)
    return read_objects(
        labels,
        unlabelled=config.unlabelled,
        labels_are=config.labels_are,
        images=images,
        ndim=ndim,
        object_classes=object_classes,
        regions=regions,
    )


def _ask_about_classes(values: NDArray[Any]) -> None:
    """Ids come in one piece a plane; classes in many."""
    planes = [count(p)[0] for p in _planes(values)]
    number = sum(int(np.count_nonzero(p)) for p in planes)
    pieces = sum(int(pieces_of(p).max(initial=0)) for p in _planes(values))
    if pieces > PIECES and pieces >= PIECES * number:
        distinct = len(set().union(*(p[p != 0].tolist() for p in planes)))
        raise LabelsError(
            f"The labels hold {distinct} value(s) in {pieces} pieces and look like classes: "
            "choose labels_are='classes' to take each piece as one object of that class, or "
            "labels_are='objects' if each value is one object.",
            ("labels_are='classes'", "labels_are='objects'"),
        )


def _planes(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(-1, *values.shape[-2:])


def _require_objects(ids: Sequence[Ids]) -> None:
    if not any((i > 0).any() for i in ids):
        raise LabelsError(
            "The labels hold no object (every pixel is 0, background, or not annotated): give "
            "each object a number of its own.",
            ("paint",),
        )


def _majority(ids: Ids, painted: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The class value that most pixels of each object have; 0 where it has none."""
    from scipy.sparse import coo_array

    inside = (ids > 0) & (painted > 0)
    values, column = np.unique(painted[inside], return_inverse=True)
    if not len(values):
        return np.zeros(count, np.int64)
    ones = np.ones(int(inside.sum()), np.int64)
    votes = coo_array((ones, (ids[inside] - 1, column)), shape=(count, len(values))).tocsr()
    best = np.asarray(votes.argmax(axis=1)).ravel()
    return np.where(votes.sum(axis=1) > 0, values[best], 0)


def _present(of_object: NDArray[Any]) -> list[int]:
    return [int(v) for v in np.unique(of_object) if v != 0]


def _from_features(
    labels: Sequence[Any], values: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], tuple[LabelClass, ...]]:
    """Class value of each object, and the classes, from the column "class" of the features.

    Where only one class is known, objects that were painted since are of it, too.
    """
    flat: list[str] = []
    for layer, own in zip(labels, values, strict=True):
        named, kinds = _column(layer, "class"), _column(layer, "kind")
        flat += ["" if kinds.get(int(v)) == "stuff" else named.get(int(v), "") for v in own]
    known = sorted({name for name in flat if name})
    if len(known) < 2:
        name = known[0] if known else "object"
        return np.ones(len(flat), np.intp), (LabelClass(1, name, default_color(1)),)
    place = {name: number for number, name in enumerate(known, 1)}
    classes = tuple(LabelClass(v, name, default_color(v)) for name, v in place.items())
    return np.array([place.get(name, 0) for name in flat]), classes


def _stuff(layer: Any, of_value: NDArray[Any]) -> list[int]:
    """Ids of areas without single objects, as a panoptic result tells them."""
    kinds = _column(layer, "kind")
    return [n for n, v in enumerate(of_value, 1) if kinds.get(int(v)) == "stuff"]


def _column(layer: Any, name: str) -> dict[int, str]:
    """Label value -> text in a column of the features, where there is one."""
    from pandas import isna

    features = getattr(layer, "features", None)
    if features is None or name not in features:
        return {}
    index = features.get("index", features.index)
    pairs = zip(index, features[name], strict=True)
    return {int(i): str(text) for i, text in pairs if not isna(i) and not isna(text)}


def _with_classes(
    ids: list[Ids], of_object: NDArray[Any], classes: tuple[LabelClass, ...]
) -> ObjectLabels:
    present = np.unique(np.concatenate([np.unique(i) for i in ids]))
    present = present[present > 0]
    missing = int((of_object[present - 1] == 0).sum())
    if missing:
        raise LabelsError(
            f"{missing} of {len(present)} objects have no class: give each one a class in the "
            "features or in the labels of the classes, or none to any of them."
        )
    position = np.searchsorted([c.value for c in classes], of_object) + 1
    class_of = np.append(0, position).astype(np.intp)
    kept = {int(p) for p in class_of[present]}
    return _used(ids, classes, class_of, kept)


def _used(
    ids: list[Ids], classes: tuple[LabelClass, ...], class_of: NDArray[np.intp], kept: set[int]
) -> ObjectLabels:
    """Without classes none of whose objects lies in an annotated region."""
    order = np.zeros(len(classes) + 1, np.intp)
    order[sorted(kept)] = np.arange(1, len(kept) + 1)
    used = tuple(c for number, c in enumerate(classes, 1) if number in kept)
    return ObjectLabels(ids, (BACKGROUND, *used), order[np.minimum(class_of, len(classes))])
