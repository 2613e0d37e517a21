"""Counts of label values that add up over the blocks of an image."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import rank_values
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.images.value_counts import count_values

Floats = NDArray[np.float64]
FAR = 2**62  # beyond every pixel


@dataclass(frozen=True, eq=False)
class Sums:
    """What was counted of each label value: a row for each, rising.

    `first` and `last` are the corners of its bounding box, `positions` the sums of its indices;
    the others have a column for each channel. `squares` are of the differences from the mean.
    """

    values: NDArray[np.int64]
    pixels: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    positions: Floats
    known: NDArray[np.int64]  # pixels whose intensity is a number
    sums: Floats
    squares: Floats
    lowest: Floats
    highest: Floats


def nothing_of(values: Collection[int], axes: int, channels: int) -> Sums:
    """Sums of label values that have no pixels."""
    count = len(values)
    return Sums(
        np.array(sorted(values), np.int64),
        np.zeros(count, np.int64),
        np.full((count, axes), FAR),
        np.full((count, axes), -1),
        np.zeros((count, axes)),
        np.zeros((count, channels), np.int64),
        np.zeros((count, channels)),
        np.zeros((count, channels)),
        np.full((count, channels), np.inf),
        np.full((count, channels), -np.inf),
    )


def sums_of(
    labels: Labels, pixels: AnyArray, start: Sequence[int], left_out: Collection[int]
) -> Sums:
    """Count a block of an image, (Y, X) or (Z, Y, X), with its pixels (C, *spatial).

    `start` is where the block begins in the image; the values `left_out` are not counted.
    """
    inside = np.ones(labels.shape, bool)
    for value in left_out:
        inside &= labels != value
    found = labels[inside]
    if not found.size:
        return nothing_of((), labels.ndim, len(pixels))
    values, counts = count_values(found)
    ranks = rank_values(found, values)
    columns = np.zeros((len(pixels), 5, len(values)))
    for channel, column in zip(pixels, columns, strict=True):
        column[:] = _intensities(channel[inside], ranks, len(values))
    known, sums, squares, lowest, highest = columns.transpose(1, 2, 0)
    first, last = _boxes(inside, ranks, start)
    return Sums(
        values.astype(np.int64),
        counts.astype(np.int64),
        first,
        last,
        _positions(inside, ranks, start, len(values)),
        known.astype(np.int64),
        sums,
        squares,
        lowest,
        highest,
    )


def add_up(parts: Sequence[Sums]) -> Sums:
    """The sums of an image of those of its blocks."""
    values, rows = np.unique(np.concatenate([p.values for p in parts]), return_inverse=True)

    def reduce(function: np.ufunc, name: str, start: float) -> AnyArray:
        column = np.concatenate([getattr(p, name) for p in parts])
        total = np.full((len(values), *column.shape[1:]), start, column.dtype)
        function.at(total, rows, column)
        return total

    known, sums = reduce(np.add, "known", 0), reduce(np.add, "sums", 0)
    own: AnyArray = np.concatenate([_mean(p.sums, p.known) for p in parts])
    squares = reduce(np.add, "squares", 0)
    counts = np.concatenate([p.known for p in parts])
    np.add.at(squares, rows, counts * (own - _mean(sums, known)[rows]) ** 2)
    return Sums(
        values,
        reduce(np.add, "pixels", 0),
        reduce(np.minimum, "first", FAR),
        reduce(np.maximum, "last", -1),
        reduce(np.add, "positions", 0),
        known,
        sums,
        squares,
        reduce(np.minimum, "lowest", np.inf),
        reduce(np.maximum, "highest", -np.inf),
    )


def _mean(sums: AnyArray, known: AnyArray) -> Floats:
    """Means; 0 where nothing is known."""
    return sums / np.maximum(known, 1)


def _intensities(values: AnyArray, ranks: NDArray[np.intp], count: int) -> list[AnyArray]:
    """Pixels with a number, their sum, squares, lowest and highest, of each rank."""
    if np.issubdtype(values.dtype, np.floating) and not (finite := np.isfinite(values)).all():
        values, ranks = values[finite], ranks[finite]
    intensities = values.astype(np.float64)
    known = np.bincount(ranks, minlength=count)
    sums = np.bincount(ranks, intensities, count)
    squares = np.bincount(ranks, (intensities - _mean(sums, known)[ranks]) ** 2, count)
    lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lowest, ranks, intensities)
    np.maximum.at(highest, ranks, intensities)
    return [known, sums, squares, lowest, highest]


def _boxes(
    inside: NDArray[np.bool_], ranks: NDArray[np.intp], start: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last indices of each rank in the image."""
    from scipy.ndimage import find_objects

    numbered = np.zeros(inside.shape, np.int32)
    numbered[inside] = ranks + 1
    boxes = find_objects(numbered)
    corners = [[(side.start, side.stop - 1) for side in box] for box in boxes]
    first, last = np.moveaxis(np.array(corners, np.int64), -1, 0) + np.array(start, np.int64)
    return first, last


def _positions(
    inside: NDArray[np.bool_], ranks: NDArray[np.intp], start: Sequence[int], count: int
) -> Floats:
    """Sums of the indices of each rank along each axis of the image."""
    columns = []
    for axis, offset in enumerate(start):
        along = np.expand_dims(
            np.arange(offset, offset + inside.shape[axis], dtype=np.float64),
            [i for i in range(inside.ndim) if i != axis],
        )
        columns.append(np.bincount(ranks, np.broadcast_to(along, inside.shape)[inside], count))
    return np.stack(columns, axis=1)
