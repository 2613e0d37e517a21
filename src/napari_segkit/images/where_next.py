"""Where a person should paint next: the most uncertain window that is not labelled."""

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.arguments import given, require_whole

from .arrays import as_array

LEVELS = 2**16 - 1  # of uncertainty at most; sums of whole numbers are exact, and so are ties
LARGEST_SUM = 2**32 - 1


def next_place(
    uncertainty: ArrayLike, labelled: ArrayLike, size: int | Sequence[int]
) -> tuple[slice, ...]:
    """Find the window where labels would tell a model most.

    It has the highest mean uncertainty, where pixels that are labelled count as certain.

    Parameters
    ----------
    uncertainty : array-like
        Uncertainty of each pixel of an image or volume, from 0 to 1, such as that of a prediction.
        Where it is NaN or infinite nothing is to be painted.
    labelled : array-like
        Whether each pixel is labelled, in the same shape; or labels, with 0 where there are none.
    size : int or sequence of int
        Length of the window in pixels, for all axes or for each. A longer one than the image is
        cut to it.

    Returns
    -------
    tuple of slice
        The window, inside the image. Of equal ones the first; if nothing is uncertain, the one
        with the fewest labels.

    Raises
    ------
    ValueError
        If the shapes differ, or no pixel is left to be painted.

    Examples
    --------
    >>> window = next_place(uncertainty, labels > 0, 256)
    >>> viewer.camera.center = [(side.start + side.stop) / 2 for side in window]
    """
    values, is_labelled = as_array(uncertainty, "uncertainty"), as_array(labelled, "labelled")
    values, is_labelled = np.asarray(values), np.asarray(is_labelled).astype(bool, copy=False)
    if values.shape != is_labelled.shape or not values.size:
        raise ValueError(
            f"uncertainty has shape {values.shape} and labelled {is_labelled.shape}: give arrays "
            "of the same image, with one value for each pixel."
        )
    lengths = _lengths(size, values.shape)
    is_free = np.isfinite(values) & ~is_labelled
    if not is_free.any():
        raise ValueError(
            "Every pixel is labelled, or has no uncertainty that is a number: there is nothing "
            "left to paint, give another image."
        )
    sums = _window_sums(_levels(values, is_free, prod(lengths)), lengths)
    first = np.unravel_index(int(sums.argmax()), sums.shape)
    return tuple([slice(int(at), int(at) + n) for at, n in zip(first, lengths, strict=True)])


def _lengths(size: int | Sequence[int], shape: tuple[int, ...]) -> list[int]:
    """Length of the window along each axis."""
    sizes = list(size) if isinstance(size, Sequence) else [size] * len(shape)
    if len(sizes) != len(shape):
        raise ValueError(
            f"size is {given(size)} and the image has {len(shape)} axes: give one whole number, or "
            "one for each axis."
        )
    for each in sizes:
        require_whole("size", each, "whole numbers of pixels, 1 or more", 1)
    return [min(int(each), length) for each, length in zip(sizes, shape, strict=True)]


def _levels(
    values: NDArray[np.generic], is_free: NDArray[np.bool_], window: int
) -> NDArray[np.uint32]:
    """Uncertainty in whole numbers, whose sum over a window fits; 0 where nothing is painted."""
    highest = float(values.max(where=is_free, initial=0))
    if highest <= 0:
        return is_free.astype(np.uint32)
    levels = max(1, min(LEVELS, LARGEST_SUM // window))
    scaled = np.where(is_free, values, 0).astype(np.float32, copy=False)
    scaled *= levels / highest
    return np.rint(scaled, out=scaled).clip(0, levels, out=scaled).astype(np.uint32)


def _window_sums(values: NDArray[np.uint32], lengths: Sequence[int]) -> NDArray[np.uint32]:
    """Sum of each window inside an array, at its first pixel.

    Differences between windows may wrap around; their sums are those of windows again.
    """
    for axis, length in enumerate(lengths):
        rows = np.moveaxis(values, axis, 0)
        sums = np.empty((len(rows) - length + 1, *rows.shape[1:]), np.uint32)
        rows[:length].sum(0, np.uint32, out=sums[:1], keepdims=True)
        np.subtract(rows[length:], rows[: len(rows) - length], out=sums[1:])
        values = np.moveaxis(sums.cumsum(0, np.uint32, out=sums), 0, axis)
    return values
