"""Labels read slab by slab, with the same rules for arrays in memory and larger than it."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import LabelsAre
from napari_segkit.data.labels import LabelsError, clean_edges, read_values

BLOCK = 2**23  # pixels read at once
GREY = "Grey edges of a 0/255 mask in the {}: above 127 is taken as 255, the rest as 0."

Read = Callable[[slice], NDArray[Any]]


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
        try:
            return read_values(labels[part], unlabelled=unlabelled, labels_are=labels_are)
        except LabelsError as error:
            sentence = str(error).replace("The labels", f"In the {role}, the labels", 1)
            raise LabelsError(sentence, error.remedies) from None

    note = (GREY.format(role),)
    if isinstance(labels, np.ndarray):
        whole = read(slice(None))
        cleaned = labels_are != "objects" and not np.may_share_memory(whole, labels)
        return whole.__getitem__, note if cleaned else ()
    if labels_are == "objects" or not _any_grey(labels, unlabelled):
        return read, ()
    return lambda part: np.where(np.asarray(labels[part]) > 127, 255, 0), note


def _any_grey(labels: Any, unlabelled: int | None) -> bool:
    grey = False
    for part in slabs(labels):
        values = np.asarray(labels[part])
        if values.max() > 255:
            return False
        grey = grey or clean_edges(values, unlabelled) is not values
    return grey
