"""Reading of prediction and truth slab by slab, in memory or lazily."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.images.axes_image import SPATIAL, full_resolution, is_layer
from napari_segkit.images.labels import (
    IGNORE,
    LabelsError,
    clean_grey_edges,
    read_class_labels,
    read_label_arrays,
)
from napari_segkit.images.orientation import orientation_of, reorient
from napari_segkit.steps import Step

from .matching import ContingencyTable, contingency_table

SLAB_PIXELS = 2**23  # read at once
GREY_EDGES_NOTE = "Grey edges of a 0/255 mask in the {}: above 127 is taken as 255, the rest as 0."

OTHER_KIND = {
    "semantic": ("kind='instance'", "to compare objects"),
    "instance": ("kind='semantic'", "to compare the classes of pixels"),
}

Read = Callable[[slice], NDArray[Any]]


def get_labels(source: Any) -> Any:
    """The labels of predicted objects (`.labels`); arrays and layers are labels already."""
    return source if is_layer(source) else getattr(source, "labels", source)


def align_arrays(prediction: Any, truth: Any) -> tuple[Any, Any]:
    """The arrays of a prediction and its truth, not read yet, in the orientation of the truth."""
    predicted, true = get_labels(prediction), get_labels(truth)
    orientation, wanted = orientation_of(predicted), orientation_of(true)
    aligned = reorient(full_resolution(predicted), SPATIAL, orientation, wanted)
    return aligned, full_resolution(true)


def slabs(*arrays: Any) -> list[slice]:
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


def _chunk_length(array: Any) -> int:
    """Length of the chunks along the first axis, of dask or zarr arrays."""
    first = (getattr(array, "chunks", None) or (1,))[0]
    return int(first[0] if isinstance(first, tuple) else first)


def class_reader(
    labels: Any, role: str, unlabelled: int | None, labels_are: LabelsAre
) -> tuple[Read, tuple[str, ...]]:
    """A function that reads and checks a slab of class values, and notes on what it changes.

    Arrays in memory are checked as a whole, others slab by slab; grey edges in one slab clean all.
    """

    def read(slab: slice) -> NDArray[Any]:
        with _name_role(role, "semantic"):
            return read_class_labels(labels[slab], unlabelled=unlabelled, labels_are=labels_are)

    note = (GREY_EDGES_NOTE.format(role),)
    if isinstance(labels, np.ndarray):
        values = read(slice(None))
        cleaned = labels_are != "objects" and not np.may_share_memory(values, labels)
        return values.__getitem__, note if cleaned else ()
    if labels_are == "objects" or not _has_grey_edges(labels, unlabelled):
        return read, ()
    return lambda slab: np.where(np.asarray(labels[slab]) > 127, 255, 0), note


def id_reader(labels: Any, role: str, unlabelled: int | None, labels_are: LabelsAre) -> Read:
    """A function that reads a slab of ids, int64: 0 background, -1 not annotated.

    Arrays in memory are checked as a whole, others up to the first slab with an object. Connected
    components are labelled in the entire array.
    """
    from napari_segkit.instances.label_ids import instance_ids

    def read(slab: slice) -> NDArray[Any]:
        with _name_role(role, "instance"):
            (values,) = read_label_arrays([labels[slab]])
        ids = values.astype(np.int64)
        return np.where(ids == unlabelled, IGNORE, ids) if unlabelled else ids

    def read_checked(slab: slice) -> NDArray[Any]:
        with _name_role(role, "instance"):
            (values,) = read_label_arrays([labels[slab]])
            return instance_ids(values, unlabelled=unlabelled, labels_are=labels_are)[0]

    if labels_are == "classes":
        return read_checked(slice(None)).__getitem__
    if labels_are == "ask" and role == "truth":  # a bad prediction is measured, not refused
        for slab in [slice(None)] if isinstance(labels, np.ndarray) else slabs(labels):
            if read_checked(slab).any():
                break
    return read


def contingency_tables(
    pairs: Sequence[tuple[Any, Any]], unlabelled: int | None, labels_are: LabelsAre
) -> Generator[Step, None, list[ContingencyTable]]:
    """Count the pixels that objects share, a table for each pair; yields after each slab."""
    arrays = [align_arrays(*pair) for pair in pairs]
    slabs_of_pairs = [slabs(*pair) for pair in arrays]
    total, done, tables = sum(map(len, slabs_of_pairs)), 0, []
    for (prediction, truth), slabs_of_pair in zip(arrays, slabs_of_pairs, strict=True):
        read_truth = id_reader(truth, "truth", unlabelled, labels_are)
        read_prediction = id_reader(prediction, "prediction", None, labels_are)
        nothing = np.zeros(0, np.int64)
        shared = ContingencyTable(nothing, nothing, nothing)
        for slab in slabs_of_pair:
            shared += contingency_table(read_prediction(slab), read_truth(slab))
            done += 1
            yield Step(done, total)
        tables.append(shared)
    return tables


def _has_grey_edges(labels: Any, unlabelled: int | None) -> bool:
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
