"""Object counts and diameters per class in instance labels, with warnings about likely mistakes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre, ObjectsBy
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.colour_masks import replace_own_colours
from napari_segkit.images.label_stats import LabelStats, ObjectStats
from napari_segkit.images.labels import (
    LabelsError,
    connected_components,
    neighbours,
    read_label_arrays,
)
from napari_segkit.images.repeated_ids import ids_start_anew
from napari_segkit.images.types import ImageSource
from napari_segkit.images.value_counts import count_values

from .diameters import Floats, diameters, each_frame, occurrences, training_box_lengths
from .label_ids import Ids, ObjectLabels, read_objects

MIN_PIXELS = 4  # smaller objects are probably mistakes


def instance_stats(
    labels: ImageSource,
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    image: AxesImage | None = None,
    object_classes: ImageSource | None = None,
    regions: object = None,
    objects_by: ObjectsBy | None = None,
    ndim: int = 2,
    voxel_size: float | None = None,
    fitted: Callable[[Floats], str] | None = None,
) -> LabelStats:
    """Count and measure the objects in the labels of one image.

    Labels that cannot be read as objects give the reason in `problem`. `fitted` says what a method
    derives from the edges of bounding boxes, ``(objects, axes)`` in its pixels.
    """
    try:
        labels, object_classes, note = _without_colours(labels, object_classes, image)
        objects = read_objects(
            [labels],
            unlabelled=unlabelled,
            labels_are=labels_are,
            images=None if image is None else [image],
            ndim=ndim,
            object_classes=None if object_classes is None else [object_classes],
            regions=None if regions is None else [regions],
        )
    except (ValueError, TypeError) as error:
        remedies = getattr(error, "remedies", ())
        return LabelStats(_class_pixels(object_classes), 0, (), str(error), remedies)
    (ids,) = objects.ids
    image = image or AxesImage(ids, "TZYX"[-ids.ndim :])
    frames = list(each_frame(ids, image, min(ndim, ids.ndim)))
    notes, remedies = [note] * bool(note), ()
    notes += _warnings(objects, frames, are_ids=labels_are != "classes")
    touching = len(_touching_ids(objects, frames)) if objects_by == "components" else 0
    if touching:
        remedies = ("objects='distance'",)
        notes.append(
            f"{_count_text(touching)} touching another object of the same class and would merge "
            "into one connected component: choose objects='distance' to separate them."
        )
    occurring, ndim = occurrences(ids, image), frames[0].ndim
    class_stats = tuple(_class_stats(objects, frames, occurring, image.spacing[-ndim:]))
    scales = fitted(training_box_lengths(ids, image, ndim, voxel_size)) if fitted else ""
    return LabelStats(*_count_pixels(objects), tuple(notes), None, remedies, class_stats, scales)


def _without_colours(
    labels: ImageSource, object_classes: ImageSource | None, image: AxesImage | None
) -> tuple[ImageSource, ImageSource | None, str]:
    """Labels and classes of objects with colours as values, and a note on the first ones."""
    labels, note = replace_own_colours(labels, image)
    if object_classes is None:
        return labels, None, note
    object_classes, note_on_classes = replace_own_colours(object_classes, image)
    return labels, object_classes, note or note_on_classes


def _class_pixels(object_classes: ImageSource | None) -> dict[int, int]:
    """Pixels per class value in the class labels, if labels cannot be read as objects."""
    if object_classes is None:
        return {}
    try:
        values, pixels = count_values(read_label_arrays([object_classes])[0])
    except LabelsError:
        return {}
    return {int(v): int(n) for v, n in zip(values, pixels, strict=True) if v != 0}


def _count_pixels(objects: ObjectLabels) -> tuple[dict[int, int], int]:
    """Pixels of each class value, and the number of pixels that are not annotated."""
    pixels = np.bincount(objects.ids[0].ravel() + 1, minlength=len(objects.class_of) + 1)
    per_class = np.bincount(objects.class_of, pixels[1:], len(objects.classes)).astype(int)
    values = [c.value for c in objects.classes]
    return dict(zip(values, per_class.tolist(), strict=True)), int(pixels[0])


def _class_stats(
    objects: ObjectLabels,
    frames: Sequence[Ids],
    occurring: NDArray[np.intp],
    spacing: tuple[float, ...],
) -> Iterator[ObjectStats]:
    """Count and diameters per class; of objects that no region cuts, if there are any."""
    present = [np.unique(ids[ids > 0]) for ids in frames]
    counts = np.bincount(objects.class_of[occurring], minlength=len(objects.classes))
    sizes = np.concatenate([diameters(ids, spacing) for ids in frames])
    uncut = np.concatenate([~np.isin(p, _cut_ids(i)) for p, i in zip(present, frames, strict=True)])
    position = objects.class_of[np.concatenate(present)]
    for number, label_class in enumerate(objects.classes[1:], 1):
        of_class = position == number
        chosen = sizes[of_class & uncut] if (of_class & uncut).any() else sizes[of_class]
        extremes = float(np.median(chosen)), float(chosen.min()), float(chosen.max())
        yield ObjectStats(label_class, int(counts[number]), *extremes)


def _warnings(objects: ObjectLabels, frames: Sequence[Ids], *, are_ids: bool) -> Iterator[str]:
    """Sentences about very small and about disconnected objects."""
    pixels = np.bincount(np.maximum(objects.ids[0], 0).ravel())
    cut = np.concatenate([[0], *(_cut_ids(ids) for ids in frames)])
    uncut = np.setdiff1d(np.flatnonzero(pixels), cut)
    small, single = int((pixels[uncut] < MIN_PIXELS).sum()), int((pixels[uncut] == 1).sum())
    if small:
        of_one = f" ({single} of one pixel)" if single else ""
        yield (
            f"{_count_text(small)} smaller than {MIN_PIXELS} pixels{of_one}: erase those painted "
            "by mistake."
        )
    disconnected = set().union(*map(_disconnected_ids, frames)) if are_ids else ()
    volumes = [np.maximum(ids, 0) for ids in frames if ids.ndim == 3 and are_ids]
    if any(map(ids_start_anew, volumes)):
        yield (
            "The ids look as if they started anew in each slice, but a model of volumes needs one "
            "id for each object through all its slices: choose a 2D model, or give the parts of "
            "an object one id."
        )
    elif disconnected:
        yield (
            f"{_count_text(len(disconnected))} in several connected components: give each "
            "component that is a separate object its own id."
        )


def _cut_ids(ids: Ids) -> NDArray[np.int32]:
    """Ids next to pixels that are not annotated."""
    low, high = np.sort(_neighbour_pairs(ids), axis=0)
    return np.unique(high[(low < 0) & (high > 0)])


def _neighbour_pairs(ids: Ids) -> NDArray[np.int32]:
    """Pairs of neighbouring pixels with different ids, ``(2, pairs)``."""
    pairs = [np.stack([a[a != b], b[a != b]]) for a, b in neighbours(ids)]
    return np.concatenate(pairs, axis=1)


def _disconnected_ids(ids: Ids) -> set[int]:
    """Ids with more than one connected component (full connectivity)."""
    objects = np.maximum(ids, 0)
    _, first = np.unique(connected_components(objects), return_index=True)
    present, counts = np.unique(objects.ravel()[first], return_counts=True)
    return set(present[(present > 0) & (counts > 1)].tolist())


def _touching_ids(objects: ObjectLabels, frames: Sequence[Ids]) -> NDArray[np.int32]:
    """Ids that touch another object of the same class."""
    pairs = np.concatenate([_neighbour_pairs(ids) for ids in frames], axis=1)
    pairs = pairs[:, (pairs > 0).all(axis=0)]
    first, second = objects.class_of[pairs]
    return np.unique(pairs[:, first == second])


def _count_text(objects: int) -> str:
    return f"{objects} objects are" if objects > 1 else "1 object is"
