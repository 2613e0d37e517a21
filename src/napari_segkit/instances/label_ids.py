"""Instance labels as training data: one id per object over all images, and the class of each id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.classes import LabelClass, classes_of, default_color, feature_column
from napari_segkit.images.labels import (
    IGNORE,
    LabelsError,
    add_to_ids,
    align_to_image,
    connected_components,
    rank_values,
    read_label_arrays,
    require_class_values,
)
from napari_segkit.images.notes import say_note
from napari_segkit.images.types import AnyArray, ImageSource
from napari_segkit.images.value_counts import count_values

from .annotated_regions import region_mask

COMPONENTS_PER_VALUE = 3  # from this many on, values look like classes
BACKGROUND = LabelClass(0, "background", default_color(0))

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class ObjectLabels:
    """Objects of one or several images."""

    ids: list[Ids]  # per image, without channels: 0 background, -1 not annotated, else unique
    classes: tuple[LabelClass, ...]  # background (0), then by rising value
    class_of: NDArray[np.intp]  # position in `classes` of each id


def read_objects(
    labels: Sequence[ImageSource],
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    images: Sequence[AxesImage] | None = None,
    ndim: int = 3,
    object_classes: Sequence[Any] | None = None,
    regions: Sequence[object] | None = None,
) -> ObjectLabels:
    """Read the objects of several images, with their classes.

    `ndim` is the connectivity of components where labels are classes; `regions` as in `region_mask`
    (None: the whole image is annotated). Classes come from `object_classes`, the values, or the
    column "class" of the layers' features. LabelsError if labels cannot be read, hold no object, or
    objects lack a class.
    """
    values = read_label_arrays(labels, images)
    class_values = read_label_arrays(object_classes, images) if object_classes else None
    ids, found = [], []
    for number, array in enumerate(values):
        image_ids, of_image = objects_of_image(
            array,
            labels[number],
            images[number] if images else None,
            unlabelled=unlabelled,
            labels_are=labels_are,
            ndim=ndim,
            class_values=class_values[number] if class_values else None,
            class_labels=object_classes[number] if object_classes else None,
            region=regions[number] if regions else None,
        )
        ids.append(image_ids)
        found.append(of_image)
    starts, classes, class_of = join_objects(found, labels, object_classes, labels_are)
    return ObjectLabels(list(map(add_to_ids, ids, starts)), classes, class_of)


@dataclass(frozen=True)
class ImageObjects:
    """What is known of the objects of one image without their pixels."""

    of_value: AnyArray  # the label value of each id
    present: NDArray[np.int32]  # ids that occur where the image is annotated
    class_votes: NDArray[np.int64] | None = None  # the class of each id by other labels


def objects_of_image(
    values: AnyArray,
    labels: ImageSource,
    image: AxesImage | None,
    *,
    unlabelled: int | None,
    labels_are: LabelsAre,
    ndim: int,
    class_values: AnyArray | None = None,
    class_labels: ImageSource | None = None,
    region: object = None,
) -> tuple[Ids, ImageObjects]:
    """Ids of one image, from 1 on, and what is known of them; arguments as in `read_objects`.

    `values` and `class_values` are those of `labels` and `class_labels`, in the image's axes.
    """
    if labels_are == "classes":
        require_class_values([values], [labels], [image] if image else None)
    ids, of_value = instance_ids(
        values,
        unlabelled=unlabelled,
        labels_are=labels_are,
        axes=image.label_axes if image else None,
        ndim=ndim,
    )
    ids[np.isin(ids, _stuff_ids(labels, of_value))] = 0
    if region is not None:
        ids[~_annotated_mask(region, labels, image)] = IGNORE
    present = np.unique(ids)
    votes = None
    if class_values is not None and class_labels is not None:
        require_class_values([class_values], [class_labels], [image] if image else None)
        votes = _majority_class(ids, class_values, of_value)
    return ids, ImageObjects(of_value, present[present > 0], votes)


def join_objects(
    found: Sequence[ImageObjects],
    labels: Sequence[ImageSource],
    object_classes: Sequence[Any] | None,
    labels_are: LabelsAre,
) -> tuple[list[int], tuple[LabelClass, ...], NDArray[np.intp]]:
    """What is added to the ids of each image, the classes of all, and the class of each id.

    Classes without objects are dropped.
    """
    counts = [len(of_image.of_value) for of_image in found]
    starts = np.cumsum([0, *counts[:-1]]).tolist()
    if not any(len(of_image.present) for of_image in found):
        raise LabelsError(
            "The labels hold no object (every pixel is 0, background, or not annotated): give "
            "each object its own id.",
            ("paint",),
        )
    of_value = [of_image.of_value for of_image in found]
    votes = [of_image.class_votes for of_image in found if of_image.class_votes is not None]
    if object_classes is not None:
        of_object = np.concatenate(votes)
        classes = classes_of(list(object_classes), _nonzero_values(of_object))
    elif labels_are == "classes":
        of_object = np.concatenate(of_value)
        classes = classes_of(list(labels), _nonzero_values(of_object))
    else:
        of_object, classes = _from_features(labels, of_value)
    present = np.concatenate([o.present + start for o, start in zip(found, starts, strict=True)])
    return starts, *_used_classes(present, of_object, classes)


def _annotated_mask(
    region: object, labels: ImageSource, image: AxesImage | None
) -> NDArray[np.bool_]:
    """The annotated pixels, in the orientation of the image."""
    marked = region_mask(region, labels, full_resolution(labels).shape)
    return marked if image is None else align_to_image(marked.view(np.uint8), labels, image) > 0


def instance_ids(
    values: AnyArray,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    axes: str | None = None,
    ndim: int = 3,
    faces_only: bool = False,
) -> tuple[Ids, AnyArray]:
    """Consecutive int32 ids (0 background, -1 not annotated) and the label value of each id.

    `ndim` and `faces_only` say which pixels of classes touch, as in `connected_components`.
    LabelsError if `labels_are` is "ask" and the values look like classes.
    """
    left_out = None if unlabelled in (None, 0) else values == unlabelled
    inside = values if left_out is None else np.where(left_out, 0, values)
    if labels_are == "ask":
        _require_ids(inside)
    if labels_are == "classes":
        ids: AnyArray = label_components(inside, axes, ndim, faces_only=faces_only)
        present, first = np.unique(ids, return_index=True)
        of_value = inside.ravel()[first[present > 0]]
    else:
        present = count_values(inside)[0]
        of_value = present[present != 0]
        ids = rank_values(inside, np.insert(of_value, 0, 0))
    ids = ids.astype(np.int32)
    if left_out is not None:
        ids[left_out] = IGNORE
    return ids, of_value


def label_components(
    values: AnyArray, axes: str | None, ndim: int, *, faces_only: bool = False
) -> Ids:
    """Number the connected components of each frame consecutively."""
    named = AxesImage(values, axes or AXES.replace("C", "")[-values.ndim :])
    ids, last = np.zeros(values.shape, np.int32), 0
    for frame, (pixels,) in named.read_frames(ndim):
        components = connected_components(pixels, faces_only=faces_only)
        named.write(ids, frame, add_to_ids(components, last))
        last += int(components.max(initial=0))
    return ids


def _require_ids(values: AnyArray) -> None:
    """Refuse values that look like classes: ids have about one connected component per plane."""
    planes = values.reshape(-1, *values.shape[-2:])
    present = [set(count_values(p)[0].tolist()) - {0} for p in planes]
    components = sum(int(connected_components(p).max(initial=0)) for p in planes)
    limit = max(COMPONENTS_PER_VALUE * sum(map(len, present)), COMPONENTS_PER_VALUE + 1)
    if components >= limit:
        distinct = len(set().union(*present))
        raise LabelsError(
            f"The labels hold {distinct} value(s) in {components} connected components and look "
            "like classes: choose labels_are='classes' to take each component as one object of "
            "that class, or labels_are='objects' if each value is one object.",
            ("labels_are='classes'", "labels_are='objects'"),
        )


def _majority_class(ids: Ids, classes: AnyArray, of_value: AnyArray) -> NDArray[np.int64]:
    """The most frequent class value in each object, which is said of those that hold several.

    0 where no pixel has one; `of_value` is the label value of each id.
    """
    from scipy.sparse import coo_array

    inside = (ids > 0) & (classes > 0)
    values, column = np.unique(classes[inside], return_inverse=True)
    count = len(of_value)
    if not len(values):
        return np.zeros(count, np.int64)
    ones = np.ones(int(inside.sum()), np.int64)
    votes = coo_array((ones, (ids[inside] - 1, column)), shape=(count, len(values))).tocsr()
    best = np.asarray(votes.argmax(axis=1)).ravel()
    mixed = np.flatnonzero(votes.count_nonzero(axis=1) > 1)
    if len(mixed):
        pixels = zip(values, votes[[mixed[0]]].toarray()[0], strict=True)
        held = ", ".join(f"{n} pixels of class {value}" for value, n in pixels if n)
        say_note(
            f"{len(mixed)} of {count} objects hold pixels of more than one class in "
            f"object_classes, such as object {of_value[mixed[0]]} ({held}): each is taken as its "
            "most frequent class.",
            stacklevel=3,
        )
    return np.where(votes.sum(axis=1) > 0, values[best], 0)


def _nonzero_values(of_object: AnyArray) -> list[int]:
    return [int(v) for v in np.unique(of_object) if v != 0]


def _from_features(
    labels: Sequence[object], values: Sequence[AnyArray]
) -> tuple[AnyArray, tuple[LabelClass, ...]]:
    """Class value of each object, and the classes, from the column "class" of the features.

    If there is only one class, objects without one get it, such as those painted since.
    """
    of_object: list[str] = []
    for layer, ids in zip(labels, values, strict=True):
        names, stuff = _features(layer, "class"), {ids[n - 1] for n in _stuff_ids(layer, ids)}
        of_object += ["" if v in stuff else str(names.get(int(v), "")) for v in ids]
    used = sorted({name for name in of_object if name})
    if len(used) < 2:
        name = used[0] if used else "object"
        return np.ones(len(of_object), np.intp), (LabelClass(1, name, default_color(1)),)
    value_of = {name: number for number, name in enumerate(used, 1)}
    classes = tuple(LabelClass(v, name, default_color(v)) for name, v in value_of.items())
    return np.array([value_of.get(name, 0) for name in of_object]), classes


def _stuff_ids(layer: object, of_value: AnyArray) -> list[int]:
    """Ids of stuff segments, as the features of a panoptic result name them."""
    kinds = _features(layer, "kind")
    return [n for n, v in enumerate(of_value, 1) if kinds.get(int(v)) == "stuff"]


def _features(layer: object, column: str) -> dict[int, object]:
    return feature_column(getattr(layer, "features", None), column)


def _used_classes(
    present: AnyArray, of_object: AnyArray, classes: tuple[LabelClass, ...]
) -> tuple[tuple[LabelClass, ...], NDArray[np.intp]]:
    """The classes of ids that are present, and the position of that of each id."""
    values = np.unique(of_object[present - 1])
    missing = int((of_object[present - 1] == 0).sum())
    if missing:
        raise LabelsError(
            f"{missing} of {len(present)} objects have no class: give every object a class in the "
            "features or in the class labels, or give none of them one."
        )
    used = tuple(c for c in classes if c.value in values)
    position = np.where(np.isin(of_object, values), np.searchsorted(values, of_object) + 1, 0)
    return (BACKGROUND, *used), np.append(0, position).astype(np.intp)
