"""Labels read slab by slab, with the same rules for arrays in memory and larger than it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.images.axes_image import SPATIAL, full_resolution, is_layer
from napari_segkit.images.labels import IGNORE, LabelsError, as_values, clean_edges, read_values
from napari_segkit.images.orientation import orientation_of, turn
from napari_segkit.steps import Step

from .matching import Overlaps, overlaps

BLOCK = 2**23  # pixels read at once
GREY = "Grey edges of a 0/255 mask in the {}: above 127 is taken as 255, the rest as 0."

OTHER = {
    "semantic": ("kind='instance'", "to compare object with object"),
    "instance": ("kind='semantic'", "to compare the classes of pixels"),
}

Read = Callable[[slice], NDArray[Any]]


def labels_of(source: Any) -> Any:
    """Take the labels of what a model found (`.labels`); arrays and layers are labels already."""
    return source if is_layer(source) else getattr(source, "labels", source)


def aligned(prediction: Any, truth: Any) -> tuple[Any, Any]:
    """Find the arrays behind a prediction and its truth.

    Parameters
    ----------
    prediction, truth : array-like, layer, or anything with `.labels`
        What is compared.

    Returns
    -------
    tuple of array-like
        Not read yet; the prediction lies as the truth does.
    """
    guessed, true = labels_of(prediction), labels_of(truth)
    lies, wanted = orientation_of(guessed), orientation_of(true)
    return turn(full_resolution(guessed), SPATIAL, lies, wanted), full_resolution(true)


def slabs(*arrays: Any) -> list[slice]:
    """Cut a prediction and its truth into slabs along the first axis, of whole chunks.

    Parameters
    ----------
    *arrays : array-like
        Arrays of one shape.

    Returns
    -------
    list of slice
        Together they cover the first axis.

    Raises
    ------
    ValueError
        If the shapes differ or there are no pixels.
    """
    shapes = [tuple(a.shape) for a in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"The prediction has shape {shapes[0]} and the truth {shapes[1]}: give arrays of one "
            "shape, both without a channel axis."
        )
    if 0 in shapes[0] or not shapes[0]:
        raise ValueError(f"The truth of shape {shapes[0]} has no pixels to compare.")
    length, *rest = shapes[0]
    chunk = max(map(_chunk, arrays))
    rows = max(1, BLOCK // prod(rest) // chunk) * chunk
    return [slice(start, start + rows) for start in range(0, length, rows)]


def _chunk(array: Any) -> int:
    """Length of the chunks along the first axis, as dask or zarr tell it."""
    first = (getattr(array, "chunks", None) or (1,))[0]
    return int(first[0] if isinstance(first, tuple) else first)


def reader(
    labels: Any, role: str, unlabelled: int | None, labels_are: LabelsAre
) -> tuple[Read, tuple[str, ...]]:
    """Make a function that reads a slab of checked label values.

    Arrays in memory are judged as a whole, others slab by slab; grey edges in one slab clean all.

    Parameters
    ----------
    labels : array-like
        NumPy, dask or zarr.
    role : str
        What messages call them: "truth" or "prediction".
    unlabelled, labels_are
        As in `evaluate`.

    Returns
    -------
    tuple
        The function, from slice to ndarray, and notes on what it does to the values.
    """

    def read(part: slice) -> NDArray[Any]:
        with _naming(role, "semantic"):
            return read_values(labels[part], unlabelled=unlabelled, labels_are=labels_are)

    note = (GREY.format(role),)
    if isinstance(labels, np.ndarray):
        whole = read(slice(None))
        cleaned = labels_are != "objects" and not np.may_share_memory(whole, labels)
        return whole.__getitem__, note if cleaned else ()
    if labels_are == "objects" or not _any_grey(labels, unlabelled):
        return read, ()
    return lambda part: np.where(np.asarray(labels[part]) > 127, 255, 0), note


def ids_reader(labels: Any, role: str, unlabelled: int | None, labels_are: LabelsAre) -> Read:
    """Make a function that reads a slab of objects.

    Arrays in memory are judged as a whole, others by their first slab that holds anything. To
    take each connected piece as an object, the whole array is read.

    Parameters
    ----------
    labels : array-like
        NumPy, dask or zarr.
    role : str
        What messages call them: "truth" or "prediction".
    unlabelled, labels_are
        As in `evaluate` for objects.

    Returns
    -------
    callable
        From slice to int64: 0 background, the number of each object, -1 not annotated.
    """
    from napari_segkit.instances.label_ids import ids_of

    def read(part: slice) -> NDArray[Any]:
        with _naming(role, "instance"):
            (values,) = as_values([labels[part]])
        ids = values.astype(np.int64)
        return np.where(ids == unlabelled, IGNORE, ids) if unlabelled else ids

    def judge(part: slice) -> NDArray[Any]:
        with _naming(role, "instance"):
            (values,) = as_values([labels[part]])
            return ids_of(values, unlabelled=unlabelled, labels_are=labels_are)[0]

    if labels_are == "classes":
        return judge(slice(None)).__getitem__
    if labels_are == "ask" and role == "truth":  # a bad prediction is to be measured
        for part in [slice(None)] if isinstance(labels, np.ndarray) else slabs(labels):
            if judge(part).any():
                break
    return read


def shared_pixels(
    pairs: Sequence[tuple[Any, Any]], unlabelled: int | None, labels_are: LabelsAre
) -> Generator[Step, None, list[Overlaps]]:
    """Count the pixels that the objects of predictions and truths share, block by block.

    Parameters
    ----------
    pairs : sequence of tuple
        Predictions with their truths: arrays, layers, or anything with `.labels`.
    unlabelled, labels_are
        As in `evaluate` for objects.

    Yields
    ------
    Step
        After each block.

    Returns
    -------
    list of Overlaps
        One for each pair.
    """
    arrays = [aligned(*pair) for pair in pairs]
    blocks = [slabs(*pair) for pair in arrays]
    total, done, counted = sum(map(len, blocks)), 0, []
    for (prediction, truth), parts in zip(arrays, blocks, strict=True):
        read_truth = ids_reader(truth, "truth", unlabelled, labels_are)
        read_prediction = ids_reader(prediction, "prediction", None, labels_are)
        nothing = np.zeros(0, np.int64)
        shared = Overlaps(nothing, nothing, nothing)
        for part in parts:
            shared += overlaps(read_prediction(part), read_truth(part))
            done += 1
            yield Step(done, total)
        counted.append(shared)
    return counted


def _any_grey(labels: Any, unlabelled: int | None) -> bool:
    grey = False
    for part in slabs(labels):
        values = np.asarray(labels[part])
        if values.max() > 255:
            return False
        grey = grey or clean_edges(values, unlabelled) is not values
    return grey


@contextmanager
def _naming(role: str, kind: str) -> Iterator[None]:
    """Say in which of the two the labels are wrong, and that there is another kind."""
    try:
        yield
    except LabelsError as error:
        sentence = str(error).replace("The labels", f"In the {role}, the labels", 1)
        remedies = error.remedies
        if "labels_are='objects'" in remedies:
            remedy, purpose = OTHER[kind]
            sentence = f"{sentence.removesuffix('.')}, or {remedy} {purpose}."
            remedies = (*remedies, remedy)
        raise LabelsError(sentence, remedies) from None
