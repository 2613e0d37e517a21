"""Reading of prediction and truth slab by slab, in memory or lazily."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np

from napari_segkit.arguments import as_spacing
from napari_segkit.config import EvaluateConfig
from napari_segkit.images.axes_image import SPATIAL, full_resolution
from napari_segkit.images.axis_guess import layer_axes
from napari_segkit.images.binary_masks import clean_grey_edges
from napari_segkit.images.labels import (
    IGNORE,
    LabelsError,
    read_class_labels,
    read_label_arrays,
    require_countable,
)
from napari_segkit.images.orientation import orientation_of, reorient
from napari_segkit.images.types import ImageSource, Labels, LazyArray, is_layer

from .metric import Index, LabelSource

SLAB_PIXELS = 2**23  # read at once
GREY_EDGES_NOTE = "Grey edges of a 0/255 mask in the {}: above 127 is taken as 255, the rest as 0."

OTHER_KIND = {
    "semantic": ("kind='instance'", "to compare objects"),
    "instance": ("kind='semantic'", "to compare the classes of pixels"),
}

Read = Callable[[Index], Labels]


class LabelReader(NamedTuple):
    """Reads slabs of checked labels."""

    read: Read
    unlabelled: int | None  # the value that marks it in what is read
    notes: tuple[str, ...] = ()  # what is changed in the values


Reader = Callable[[LazyArray, str, EvaluateConfig], LabelReader]


def get_labels(source: Any) -> ImageSource:
    """The labels of predicted objects (`.labels`); arrays and layers are labels already."""
    return source if is_layer(source) else getattr(source, "labels", source)


def align_arrays(prediction: LabelSource, truth: LabelSource) -> tuple[LazyArray, LazyArray]:
    """The arrays of a prediction and its truth, not read yet, in the orientation of the truth."""
    predicted, true = get_labels(prediction), get_labels(truth)
    orientation, wanted = orientation_of(predicted), orientation_of(true)
    array = full_resolution(predicted, "prediction")
    return reorient(array, SPATIAL, orientation, wanted), full_resolution(true, "truth")


def slabs(*arrays: LazyArray) -> list[slice]:
    """Split arrays of one shape into slabs along the first axis, of complete chunks."""
    shapes = [tuple(a.shape) for a in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"The prediction has shape {shapes[0]} and the truth {shapes[1]}: give arrays of one "
            "shape, both without a channel axis."
        )
    if 0 in shapes[0] or not shapes[0]:
        raise ValueError(f"The truth of shape {shapes[0]} has no pixels to compare.")
    length, *rest = shapes[0]
    chunk = max(map(_chunk_length, arrays))
    rows = max(1, SLAB_PIXELS // prod(rest) // chunk) * chunk
    return [slice(start, start + rows) for start in range(0, length, rows)]


def _chunk_length(array: LazyArray) -> int:
    """Length of the chunks along the first axis, of dask or zarr arrays."""
    first = (getattr(array, "chunks", None) or (1,))[0]
    return int(first[0] if isinstance(first, tuple) else first)


def with_halo(core: Index, shape: Sequence[int], halo: int) -> tuple[Index, Index]:
    """Slices to read, `halo` pixels wider than the core unless the array ends, and the core in it.

    The core has slices for the leading axes, along which an array is split.
    """
    bounds = [c.indices(length)[:2] for c, length in zip(core, shape, strict=False)]
    starts = [max(0, start - halo) for start, _ in bounds]
    outer = tuple(slice(s, stop + halo) for s, (_, stop) in zip(starts, bounds, strict=True))
    inner = (slice(a - s, b - s) for s, (a, b) in zip(starts, bounds, strict=True))
    return outer, tuple(inner)


def class_reader(labels: LazyArray, role: str, config: EvaluateConfig) -> LabelReader:
    """Reader of class values, checked; values of a prediction become those of the truth."""
    reader = _class_reader(labels, role, config)
    class_map = config.values_of_truth() if role == "prediction" else {}
    if not class_map:
        return reader
    return reader._replace(read=lambda slab: _translated(reader.read(slab), class_map))


def _translated(values: Labels, class_map: Mapping[int, int]) -> Labels:
    kind = np.result_type(values.dtype, np.min_scalar_type(max(class_map.values())))
    meant = values.astype(kind)
    for value, other in class_map.items():
        meant[values == value] = other
    return meant


def _class_reader(labels: LazyArray, role: str, config: EvaluateConfig) -> LabelReader:
    """Reader of class values, which checks them.

    Arrays in memory are checked as a whole, others slab by slab; grey edges in one slab clean all.
    """
    unlabelled, labels_are = config.unlabelled, config.labels_are

    def read(slab: Index) -> tuple[Labels, bool]:
        with _name_role(role, "semantic"):
            (values,), cleaned = read_class_labels(
                [labels[slab]], unlabelled=unlabelled, labels_are=labels_are
            )
            require_countable(values)
            return values, cleaned

    note = (GREY_EDGES_NOTE.format(role),)
    if isinstance(labels, np.ndarray):
        values, cleaned = read(())
        return LabelReader(values.__getitem__, unlabelled, note if cleaned else ())
    if labels_are == "objects" or not _has_grey_edges(labels, unlabelled):
        return LabelReader(lambda slab: read(slab)[0], unlabelled)
    return LabelReader(
        lambda slab: np.where(np.asarray(labels[slab]) > 127, 255, 0), unlabelled, note
    )


def id_reader(labels: LazyArray, role: str, config: EvaluateConfig) -> LabelReader:
    """Reader of ids, int64: 0 background, -1 not annotated.

    Truths in memory are checked as a whole, others up to the first slab with an object. Connected
    components are labelled in the entire array.
    """
    from napari_segkit.instances.label_ids import instance_ids

    labels_are = config.labels_are
    unlabelled = config.unlabelled if role == "truth" else None
    void = None if unlabelled is None else IGNORE

    def read(slab: Index) -> Labels:
        with _name_role(role, "instance"):
            (values,) = read_label_arrays([labels[slab]])
            require_countable(values)
        ids = values.astype(np.int64)
        return np.where(ids == unlabelled, IGNORE, ids) if unlabelled is not None else ids

    def read_checked(slab: Index) -> Labels:
        with _name_role(role, "instance"):
            (values,) = read_label_arrays([labels[slab]])
            faces_only = config.connectivity == "faces"
            return instance_ids(
                values, unlabelled=unlabelled, labels_are=labels_are, faces_only=faces_only
            )[0]

    if labels_are == "classes":
        return LabelReader(read_checked(()).__getitem__, void)
    if labels_are == "ask":
        is_whole = role == "truth" and isinstance(labels, np.ndarray)
        with _measured_all_the_same(role):
            for slab in [()] if is_whole else [(s,) for s in slabs(labels)]:
                if read_checked(slab).any():
                    break
    return LabelReader(read, void)


@contextmanager
def _measured_all_the_same(role: str) -> Iterator[None]:
    """Say that a prediction looks like classes, as a bad one may; only truths are refused."""
    try:
        yield
    except LabelsError as error:
        if role == "truth" or "labels_are='classes'" not in error.remedies:
            raise
        warnings.warn(f"{error} Here, each value is one object.", UserWarning, stacklevel=2)


def segment_reader(labels: LazyArray, role: str, config: EvaluateConfig) -> LabelReader:
    """`id_reader` of segments, which a table names: values are always their ids."""
    if config.labels_are == "classes":
        raise ValueError(
            "kind='panoptic' takes values as ids of segments, so labels_are cannot be 'classes': "
            "leave it out, and name the class of each segment in the features."
        )
    return id_reader(labels, role, replace(config, labels_are="objects"))


def pixel_spacing(
    truth: LabelSource, ndim: int, spacing: Sequence[float] | None
) -> tuple[float, ...]:
    """World units between pixels along each axis: as given, else of the layer, else 1."""
    if spacing is not None:
        return as_spacing(spacing, ndim)
    known = [abs(float(s)) for s in getattr(get_labels(truth), "scale", ())][-ndim:]
    return (1.0,) * (ndim - len(known)) + tuple(known)


def which_are_space(
    truth: LabelSource, ndim: int, spacing: Sequence[float] | None
) -> tuple[bool, ...]:
    """Which axes are space: the last two if two sizes are given; named ones; else up to 3."""
    is_plane = spacing is not None and len(spacing) == 2
    named = None if is_plane else layer_axes(get_labels(truth), ndim)
    axes = named or (SPATIAL[1:] if is_plane else SPATIAL)[-ndim:].rjust(ndim, "T")
    return tuple(axis in SPATIAL for axis in axes)


def _has_grey_edges(labels: LazyArray, unlabelled: int | None) -> bool:
    grey = False
    for slab in slabs(labels):
        values = np.asarray(labels[slab])
        if values.max() > 255:
            return False
        grey = grey or clean_grey_edges(values, unlabelled) is not values
    return grey


@contextmanager
def _name_role(role: str, kind: str) -> Iterator[None]:
    """Name prediction or truth in errors of labels, and suggest the other kind."""
    try:
        yield
    except LabelsError as error:
        sentence = str(error).replace("The labels", f"In the {role}, the labels", 1)
        remedies = error.remedies
        if "labels_are='objects'" in remedies:
            remedy, purpose = OTHER_KIND[kind]
            sentence = f"{sentence.removesuffix('.')}, or {remedy} {purpose}."
            remedies = (*remedies, remedy)
        raise LabelsError(sentence, remedies) from None
