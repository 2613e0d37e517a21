"""Counts first, ratios last: one table of counts that adds up, and the figures made from it."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.images.labels import to_indices

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]
SMALL = 2**16


def confusion(prediction: ArrayLike, truth: ArrayLike, values: Sequence[int]) -> Counts:
    """Count how often each class of the truth was predicted as each class.

    Counts of several images, slices or blocks add up to the counts of all of them.

    Parameters
    ----------
    prediction, truth : array-like of int
        Label values of one shape, 0 or more.
    values : sequence of int
        Label values of the K classes. Pixels whose truth is none of them are not counted; a
        prediction that is none of them is an error, counted in the last column.

    Returns
    -------
    ndarray of int64
        Shape (K, K + 1): a row for each class of the truth, a column for each predicted class, in
        increasing order of their values, and a last column for predictions that are no class.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    guessed, true = np.asarray(prediction), np.asarray(truth)
    if guessed.shape != true.shape:
        raise ValueError(
            f"The prediction has shape {guessed.shape} and the truth {true.shape}: give arrays of "
            "one shape."
        )
    classes = np.unique(np.asarray(values, np.int64))
    rows, columns = len(classes), len(classes) + 1
    cells = _places(true, classes) * columns + _places(guessed, classes)
    counts = np.bincount(cells.ravel(), minlength=columns * columns)
    return counts.reshape(columns, columns)[:rows].astype(np.int64, copy=False)


def widen(counts: Counts, values: Sequence[int], wider: Sequence[int]) -> Counts:
    """Lay counts out for more classes, so that they can be added to others.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted for `values`.
    values, wider : sequence of int
        Sorted label values; `wider` holds all of `values`.

    Returns
    -------
    ndarray of int64
        The counts as `confusion` would have given them for `wider`.
    """
    rows = np.searchsorted(wider, values)
    columns = np.append(rows, len(wider))
    result = np.zeros((len(wider), len(wider) + 1), np.int64)
    result[rows[:, None], columns] = counts
    return result


def iou(counts: Counts) -> Figures:
    """Intersection over union of each class: TP / (TP + FP + FN), nan where it is absent.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted.

    Returns
    -------
    ndarray of float
        One figure for each class.
    """
    return ratio(hits(counts), in_truth(counts) + in_prediction(counts) - hits(counts))


def dice(counts: Counts) -> Figures:
    """Dice coefficient of each class: 2 TP / (2 TP + FP + FN), nan where it is absent.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted.

    Returns
    -------
    ndarray of float
        One figure for each class.
    """
    return ratio(2 * hits(counts), in_truth(counts) + in_prediction(counts))


def precision(counts: Counts) -> Figures:
    """Part of the pixels predicted as a class that are of it, nan where it is never predicted.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted.

    Returns
    -------
    ndarray of float
        One figure for each class.
    """
    return ratio(hits(counts), in_prediction(counts))


def recall(counts: Counts) -> Figures:
    """Part of the pixels of a class that were predicted as it, nan where the truth has none.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted.

    Returns
    -------
    ndarray of float
        One figure for each class.
    """
    return ratio(hits(counts), in_truth(counts))


def accuracy(counts: Counts) -> float:
    """Part of all counted pixels whose class was predicted, nan where nothing was counted.

    Parameters
    ----------
    counts : ndarray
        What `confusion` counted.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return float(ratio(hits(counts).sum(), counts.sum()))


def hits(counts: Counts) -> Counts:
    """Pixels of each class that were predicted as it (TP)."""
    return np.diagonal(counts)


def in_truth(counts: Counts) -> Counts:
    """Pixels of each class in the truth (TP + FN)."""
    return counts.sum(axis=1)


def in_prediction(counts: Counts) -> Counts:
    """Pixels predicted as each class, of those that count (TP + FP)."""
    return counts.sum(axis=0)[: len(counts)]


def mean(figures: Mapping[Any, float]) -> float:
    """Mean of the figures that are defined, nan where none is."""
    defined = [f for f in figures.values() if not isnan(f)]
    return sum(defined) / len(defined) if defined else nan


def ratio(part: Any, whole: Any) -> Figures:
    """Divide counts, nan where there is nothing to divide by."""
    undefined = np.full(np.shape(whole), np.nan)
    return np.divide(part, whole, out=undefined, where=np.asarray(whole) > 0)


def _places(labels: NDArray[Any], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each label among the classes, the number of classes where it is none."""
    if not labels.size or not len(classes):
        return np.zeros(labels.shape, np.int64)
    if labels.max() >= SMALL or classes[-1] >= SMALL:
        places = to_indices(labels, classes.tolist())
        return np.where(places < 0, len(classes), places)
    table = np.full(SMALL, len(classes))
    table[classes] = np.arange(len(classes))
    return table[labels]
