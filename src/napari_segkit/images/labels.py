"""Where label values get their meaning: class labels, instance ids, unlabelled pixels."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import LARGEST_CLASS
from napari_segkit.config import LabelsAre

from .axes_image import SPATIAL, AxesImage, full_resolution
from .binary_masks import has_grey_edges, threshold_mask
from .orientation import orientation_of, reorient
from .repeated_ids import ids_start_anew, planes_of
from .types import AnyArray, ImageSource, Labels, is_layer
from .value_counts import chunks, count_values
from .whole_numbers import first_fractions, integers_if_whole

IGNORE = -1  # class index of unlabelled pixels
MIN_INSTANCES = 6  # from this many values on, labels may be instance ids
LARGEST_ID = 2**63 - 1
COMPONENTS_PER_ID = 1.25
WINDOWS = (512, 1024)  # edges of parts that may show, in less time, that values are no ids
FEW_CLASSES = 8  # that are compared one by one


class LabelsError(ValueError):
    """Labels that cannot be used; `remedies` are changes that help, as in `LabelStats`."""

    def __init__(self, message: str, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies


def read_class_labels(
    labels: Sequence[ImageSource],
    *,
    unlabelled: int | None = 0,
    labels_are: LabelsAre = "ask",
    images: Sequence[AxesImage] | None = None,
) -> tuple[list[Labels], bool]:
    """Class labels in the axes of their images, and whether grey edges of 0/255 masks were cleaned.

    "objects" merges instance ids into one class; "ask" raises LabelsError if the values look like
    instance ids. Edges are cleaned in all masks if one has grey edges.
    """
    values = read_label_arrays(labels, images)
    if labels_are == "objects":
        return [merge_instances(v, unlabelled) for v in values], False
    cleaned = any(has_grey_edges(v, unlabelled) for v in values)
    if cleaned:
        values = [threshold_mask(v) for v in values]
    if labels_are == "ask":
        _refuse_instance_ids(values, unlabelled)
    return values, cleaned


def read_label_arrays(
    labels: Sequence[ImageSource], images: Sequence[AxesImage] | None = None
) -> list[Labels]:
    """Label arrays, whatever the values mean, in the axes and orientation of their images."""
    arrays = [integer_labels(np.asarray(full_resolution(source, "labels"))) for source in labels]
    for array in arrays:
        require_no_negatives(array)
    if images is None:
        return arrays
    return [align_to_image(*each) for each in zip(arrays, labels, images, strict=True)]


def labels_name(labels: ImageSource, image: AxesImage | None = None) -> str:
    """How a message calls labels: by their layer, or by their image."""
    if is_layer(labels) and labels.name:
        return f"The labels {labels.name}"
    return f"The labels of {image.name}" if image else "The labels"


def require_class_values(
    values: Sequence[AnyArray],
    labels: Sequence[ImageSource],
    images: Sequence[AxesImage] | None = None,
) -> None:
    """Refuse values too large for a class; `labels` are what the values were read from."""
    for number, array in enumerate(values):
        named = labels_name(labels[number], images[number] if images else None)
        require_class_value(int(array.max(initial=0)), named)


def require_class_value(highest: int, name: str) -> None:
    """Refuse a value too large for a class; `name` is what the message calls the labels."""
    if highest > LARGEST_CLASS:
        raise LabelsError(
            f"{name} hold the value {highest}, but class values must "
            "be below 2147483648 (2**31): give the classes smaller values, or choose "
            "labels_are='objects' if the values are instance ids.",
            ("labels_are='objects'",),
        )


def require_countable(values: AnyArray) -> None:
    """Refuse values that are counted as int64 and do not fit in it."""
    if values.dtype == np.uint64 and values.size and values.max() > LARGEST_ID:
        raise LabelsError(
            f"The labels hold the value {values.max()}, but values that are compared must be "
            "below 2**63: number them anew, for instance with np.unique(labels, "
            "return_inverse=True)[1]."
        )


def integer_labels(values: AnyArray) -> Labels:
    """Label values as integers: 0 and 1 for truth values; LabelsError if there are fractions."""
    integers = integers_if_whole(values)
    if np.issubdtype(integers.dtype, np.integer):
        return integers
    found, is_float = f"dtype {values.dtype}", np.issubdtype(values.dtype, np.floating)
    if is_float and not np.isfinite(values).all():
        raise LabelsError(
            "The labels hold NaN or infinite values, but label values must be integers: replace "
            "them, for instance with np.where(np.isfinite(labels), labels, 0)."
        )
    if is_float and (fractions := first_fractions(values)):
        found += f" and hold fractions such as {fractions}"
    raise LabelsError(
        f"The labels have {found}, but label values must be integers: give labels, not "
        "probabilities; resample labels with nearest neighbour; if they are labels but for "
        "rounding, use np.rint(labels).astype('uint16')."
    )


def align_to_image(values: AnyArray, labels: ImageSource, image: AxesImage) -> AnyArray:
    """Values in the orientation and the shape of an image; `labels` is the layer they are of."""
    aligned = reorient(values, SPATIAL, orientation_of(labels), image.orientation)
    return _require_image_shape(aligned, image)


def to_indices(values: AnyArray, classes: Sequence[int]) -> NDArray[np.int16]:
    """Class index of each value, `IGNORE` for values that are not in `classes` (sorted)."""
    order = np.asarray(classes)
    indices = np.searchsorted(order, values).clip(0, len(order) - 1)
    return np.where(order[indices] == values, indices, IGNORE).astype(np.int16)


def likeliest(maps: NDArray[np.float32]) -> NDArray[np.integer]:
    """Index of the highest of maps ``(classes, *spatial)``, the first of equal ones.

    Faster than ``argmax``, which goes from pixel to pixel.
    """
    if len(maps) > FEW_CLASSES:
        return maps.argmax(axis=0)
    highest, indices = maps[0], np.zeros(maps.shape[1:], np.uint8)
    for index, values in enumerate(maps[1:], 1):
        is_higher = (values > highest).view(np.uint8)
        np.maximum(indices, is_higher * np.uint8(index), out=indices)  # far faster than a mask
        highest = np.maximum(highest, values)
    return indices


def from_indices(indices: AnyArray, classes: Sequence[int]) -> NDArray[np.unsignedinteger]:
    """Class value of each index, in the smallest unsigned dtype."""
    dtype = np.min_scalar_type(max(classes))
    if list(classes) == list(range(len(classes))):
        return indices.astype(dtype)
    return np.asarray(classes, dtype).take(indices)


def looks_like_instance_ids(values: AnyArray, unlabelled: int | None) -> bool:
    """Whether there are many values, nearly each of one connected component.

    In a stack whose ids start anew in each slice, of one in each slice.
    """
    highest = _highest_labelled(values, unlabelled)
    if highest < MIN_INSTANCES or _has_more_components(values, unlabelled, highest, WINDOWS[0]):
        return False
    ids = [v for v in _labelled_values(values, unlabelled) if v != 0]
    if len(ids) < MIN_INSTANCES or _has_more_components(values, unlabelled, len(ids), WINDOWS[1]):
        return False
    objects = np.where(np.isin(values, ids), values, 0)
    if _component_count(objects) <= COMPONENTS_PER_ID * len(ids):
        return True
    if not ids_start_anew(objects):
        return False
    planes = planes_of(objects)
    components = sum(map(_component_count, planes))
    return components <= COMPONENTS_PER_ID * sum(len(_labelled_values(p, 0)) for p in planes)


def connected_components(values: AnyArray, *, faces_only: bool = False) -> AnyArray:
    """Number the connected components of equal values from 1; 0 stays 0.

    Pixels also touch by edges and corners, unless it is by faces only.
    """
    from skimage.measure import label

    connectivity = 1 if faces_only else values.ndim
    components: AnyArray = label(values, background=0, connectivity=connectivity)  # type: ignore[no-untyped-call]
    return components


def add_to_ids(ids: AnyArray, offset: int) -> NDArray[np.int32]:
    """Add a number to the ids above 0."""
    return np.where(ids > 0, ids + offset, ids).astype(np.int32, copy=False)


def neighbours(values: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
    """Views of all pixels but the last, and of those that follow them, along each axis."""
    for axis in range(values.ndim):
        along = np.moveaxis(values, axis, 0)
        yield along[:-1], along[1:]


def rank_values(values: AnyArray, present: AnyArray) -> NDArray[np.intp]:
    """Index of each value among its distinct values, given in rising order."""
    if present[-1] >= max(2**16, values.size):
        return np.searchsorted(present, values)
    ranks = np.zeros(int(present[-1]) + 1, np.intp)
    ranks[present] = np.arange(len(present))
    return ranks[values]


def as_unsigned(values: AnyArray) -> AnyArray:
    """Label values as uint8, uint16 or uint32, for files."""
    if not np.issubdtype(values.dtype, np.integer) or (values.size and values.min() < 0):
        raise ValueError(f"Labels of dtype {values.dtype} must be integers of 0 or more.")
    if values.size and values.max() >= 2**32:
        raise ValueError(
            f"The label value {values.max()} is too large for a file: use values below 2**32."
        )
    if values.dtype in (np.uint8, np.uint16, np.uint32):
        return values
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _highest_labelled(values: AnyArray, unlabelled: int | None) -> int:
    highest = int(values.max(initial=0))
    if highest != unlabelled:
        return highest
    return max(int(np.where(p == unlabelled, 0, p).max(initial=0)) for (p,) in chunks(values))


def _has_more_components(values: AnyArray, unlabelled: int | None, ids: int, edge: int) -> bool:
    """Whether a part of a large plane holds more components than so many ids have."""
    if values.ndim != 2 or min(values.shape) < 2 * edge:
        return False
    part = values[tuple(slice(length // 2, length // 2 + edge) for length in values.shape)]
    return _uncut_components(part, unlabelled) > COMPONENTS_PER_ID * ids


def _uncut_components(part: AnyArray, unlabelled: int | None) -> int:
    """Components that do not touch the edge of a part of a plane."""
    components = connected_components(np.where(part == unlabelled, 0, part))
    cut = np.union1d(components[[0, -1]], components[:, [0, -1]])
    return int(components.max() - np.count_nonzero(cut))


def _component_count(values: AnyArray) -> int:
    return int(connected_components(values).max(initial=0))


def _refuse_instance_ids(values: Sequence[AnyArray], unlabelled: int | None) -> None:
    ids = [v for v in values if looks_like_instance_ids(v, unlabelled)]
    if ids:
        count = len(_labelled_values(max(ids, key=np.max), unlabelled))
        raise instance_ids_error(count, unlabelled)


def instance_ids_error(count: int, unlabelled: int | None) -> LabelsError:
    """Why so many values cannot be classes."""
    background = " and unlabelled=None" if unlabelled == 0 else ""
    return LabelsError(
        f"The labels hold {count} values, nearly each in one connected component, and look "
        f"like instance ids: choose labels_are='objects'{background} to merge them into one "
        "foreground class, or labels_are='classes' if each value is a class.",
        ("labels_are='objects'", "labels_are='classes'"),
    )


def require_no_negatives(values: AnyArray) -> None:
    """Refuse labels below 0."""
    if values.dtype.kind != "u" and values.size and values.min() < 0:
        raise LabelsError(
            f"The labels hold negative values (the lowest is {values.min()}), but label values "
            "must be 0 or more: to leave pixels out, give them a positive value and set unlabelled "
            "to that value."
        )


def _require_image_shape(values: AnyArray, image: AxesImage) -> AnyArray:
    if values.shape == image.label_shape:
        return values
    if values.shape == (*image.label_shape, 1):
        return values[..., 0]
    if "C" in image.axes and values.shape == image.shape:
        return _merge_channels(values, image.axes.index("C"))
    why = "".join(f" {image.name}: {note}" for note in image.notes)
    raise LabelsError(
        f"The labels have shape {values.shape}, but {image.name} of shape {image.shape} with axes "
        f"{image.axes} needs labels of shape {image.label_shape}: make new labels for this image, "
        "resample those of another grid to its grid (with nearest neighbour), or set its "
        f"axes.{why}"
    )


def _merge_channels(values: AnyArray, axis: int) -> AnyArray:
    """Labels painted on single channels as one label per pixel; 0 counts as not painted."""
    merged = values.max(axis=axis)
    conflict = ((values != 0) & (values != np.expand_dims(merged, axis))).any(axis=axis)
    if conflict.any():
        raise LabelsError(
            f"The labels have a channel axis, and {int(conflict.sum())} pixels are painted "
            "differently in different channels: keep one value per pixel."
        )
    return merged


def merge_instances(values: AnyArray, unlabelled: int | None) -> AnyArray:
    """Instance ids as class 1, with 0 as background; unlabelled pixels keep their value."""
    if unlabelled == 1:
        raise LabelsError(
            "labels_are='objects' merges all instance ids into class 1, so unlabelled cannot be 1: "
            "give unlabelled pixels another value."
        )
    foreground = (values != 0).astype(np.uint8)
    if unlabelled in (None, 0):
        return foreground
    dtype = np.min_scalar_type(max(int(unlabelled), 1))
    return np.where(values == unlabelled, unlabelled, foreground).astype(dtype)


def _labelled_values(values: AnyArray, unlabelled: int | None) -> list[int]:
    return [int(v) for v in count_values(values)[0] if v != unlabelled]
