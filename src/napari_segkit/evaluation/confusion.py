"""Confusion matrices, which add up over images, and the metrics derived from them."""

from collections.abc import Callable, Iterable, Sequence
from math import isnan, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .value_pairs import ValuePairs, count_pairs

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def confusion_matrix(prediction: ArrayLike, truth: ArrayLike, values: Sequence[int]) -> Counts:
    """Count predicted classes per true class, ``(K, K + 1)`` for the K class values, rising.

    Rows are the truth, columns the prediction. Pixels whose truth is none of `values` are left
    out; predictions that are none of them are counted in the last column.
    """
    predicted, true = np.asarray(prediction), np.asarray(truth)
    if predicted.shape != true.shape:
        raise ValueError(
            f"The prediction has shape {predicted.shape} and the truth {true.shape}: give arrays "
            "of one shape."
        )
    return matrix_of(count_pairs(predicted, true), values)


def matrix_of(pairs: ValuePairs, values: Sequence[int]) -> Counts:
    """The confusion matrix of some class values."""
    classes = np.unique(np.asarray(values, np.int64))
    counted, known = np.isin(pairs.truth, classes), np.isin(pairs.prediction, classes)
    rows = np.searchsorted(classes, pairs.truth[counted])
    columns = np.where(known, np.searchsorted(classes, pairs.prediction), len(classes))
    counts = np.zeros((len(classes), len(classes) + 1), np.int64)
    np.add.at(counts, (rows[:, None], columns), pairs.counts[counted])
    return counts


def expand_classes(counts: Counts, values: Sequence[int], classes: Sequence[int]) -> Counts:
    """Expand a matrix for `values` to more `classes`; both are sorted."""
    rows = np.searchsorted(classes, values)
    columns = np.append(rows, len(classes))
    result = np.zeros((len(classes), len(classes) + 1), np.int64)
    result[rows[:, None], columns] = counts
    return result


def iou(counts: Counts) -> Floats:
    """Intersection over union, TP / (TP + FP + FN), of each class; nan where absent."""
    hits = true_positives(counts)
    return ratio(hits, truth_pixels(counts) + predicted_pixels(counts) - hits)


def dice(counts: Counts) -> Floats:
    """Dice coefficient, 2 TP / (2 TP + FP + FN), of each class; nan where absent."""
    return ratio(2 * true_positives(counts), truth_pixels(counts) + predicted_pixels(counts))


def precision(counts: Counts) -> Floats:
    """Precision, TP / (TP + FP), of each class; nan where never predicted."""
    return ratio(true_positives(counts), predicted_pixels(counts))


def recall(counts: Counts) -> Floats:
    """Recall, TP / (TP + FN), of each class; nan where absent from the truth."""
    return ratio(true_positives(counts), truth_pixels(counts))


def specificity(counts: Counts) -> Floats:
    """Specificity, TN / (TN + FP), of each class; nan where there is no other pixel."""
    others = counts.sum() - truth_pixels(counts)
    wrong = predicted_pixels(counts) - true_positives(counts)
    return ratio(others - wrong, others)


def accuracy(counts: Counts) -> float:
    """Fraction of correctly predicted pixels; nan without pixels."""
    return float(ratio(true_positives(counts).sum(), counts.sum()))


def frequency_weighted_iou(counts: Counts) -> float:
    """Mean IoU, weighted by the pixels of each class in the truth; nan without pixels."""
    weighted = truth_pixels(counts) * iou(counts)
    return float(ratio(np.nansum(weighted), counts.sum()))


def kappa(counts: Counts) -> float:
    """Cohen's kappa of the pixels; nan where chance alone explains everything."""
    true, predicted = truth_pixels(counts).astype(float), predicted_pixels(counts).astype(float)
    total = float(counts.sum())
    by_chance = (true * predicted).sum()
    return float(ratio(true_positives(counts).sum() * total - by_chance, total**2 - by_chance))


# of each class (an array), a column of the table; of the image (a float), a row
RATIOS: dict[str, Callable[[Counts], Floats | float]] = {
    "iou": iou,
    "dice": dice,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "accuracy": accuracy,
    "frequency_weighted_iou": frequency_weighted_iou,
    "kappa": kappa,
}


def true_positives(counts: Counts) -> Counts:
    """Correctly predicted pixels of each class."""
    return np.diagonal(counts)


def truth_pixels(counts: Counts) -> Counts:
    """Pixels of each class in the truth (TP + FN)."""
    return counts.sum(axis=1)


def predicted_pixels(counts: Counts) -> Counts:
    """Pixels predicted as each class (TP + FP)."""
    return counts.sum(axis=0)[: len(counts)]


def nanmean(values: Iterable[float]) -> float:
    """Mean of the values that are not nan; nan if all are."""
    defined = [v for v in values if not isnan(v)]
    return sum(defined) / len(defined) if defined else nan


def ratio(dividend: ArrayLike, divisor: ArrayLike) -> Floats:
    """Divide counts; nan where the divisor is 0."""
    undefined = np.full(np.shape(divisor), np.nan)
    return np.divide(dividend, divisor, out=undefined, where=np.asarray(divisor) > 0)
