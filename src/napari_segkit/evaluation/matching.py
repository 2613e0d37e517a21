"""Objects of a prediction and of the truth: the pixels they share, and which belong together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .confusion import Counts, Figures, ratio

ABOVE_HALF = float(np.nextafter(0.5, 1))
VOID = -1

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How many pixels each object of the truth shares with each of the prediction.

    The counts of parts of an image add up to those of the whole.

    Parameters
    ----------
    truth, prediction : ndarray of int64
        Ids on both sides, 0 for background and -1 for what is not annotated; each pair once.
    pixels : ndarray of int64
        Pixels of each pair, 1 or more.
    """

    truth: Ids
    prediction: Ids
    pixels: Counts

    def __add__(self, other: "Overlaps") -> "Overlaps":
        return grouped(
            np.append(self.truth, other.truth),
            np.append(self.prediction, other.prediction),
            np.append(self.pixels, other.pixels),
        )


def overlaps(prediction: NDArray[np.integer], truth: NDArray[np.integer]) -> Overlaps:
    """Count the pixels that the objects of two arrays share, without a dense table of them.

    Parameters
    ----------
    prediction, truth : ndarray of int
        Ids of one shape, 0 for background and -1 for what is not annotated.

    Returns
    -------
    Overlaps
        Only pairs that occur.
    """
    guessed, true = prediction.ravel(), truth.ravel()
    ends = np.flatnonzero((true[1:] != true[:-1]) | (guessed[1:] != guessed[:-1])) + 1
    starts = np.append(0, ends)[: true.size]  # of runs of one pair: much fewer than pixels
    lengths = np.diff(starts, append=true.size)
    return grouped(true[starts].astype(np.int64), guessed[starts].astype(np.int64), lengths)


def grouped(truth: Ids, prediction: Ids, pixels: Counts) -> Overlaps:
    """Make overlaps of pairs that may occur several times, such as those of several parts.

    Parameters
    ----------
    truth, prediction, pixels : ndarray of int64
        As in `Overlaps`.

    Returns
    -------
    Overlaps
        Each pair once, its pixels summed.
    """
    (rows, row), (columns, column) = (
        np.unique(ids, return_inverse=True) for ids in (truth, prediction)
    )
    width = max(1, len(columns))
    cells, cell = np.unique(row * width + column, return_inverse=True)
    sums = np.zeros(len(cells), np.int64)
    np.add.at(sums, cell, pixels)
    return Overlaps(rows[cells // width], columns[cells % width], sums)


def foreground(shared: Overlaps) -> Counts:
    """Count annotated pixels of background and of any object, as `confusion` does.

    Parameters
    ----------
    shared : Overlaps
        Of the whole image.

    Returns
    -------
    ndarray of int64
        Shape (2, 3): rows are the truth, columns the prediction; the last column is empty.
    """
    counts = np.zeros((2, 3), np.int64)
    known = shared.truth != VOID
    cells = (shared.truth[known] > 0).astype(int), (shared.prediction[known] > 0).astype(int)
    np.add.at(counts, cells, shared.pixels[known])
    return counts


@dataclass(frozen=True, eq=False)
class MatchedObjects:
    """The objects of both sides and how well those that touch agree.

    Parameters
    ----------
    truth, prediction : ndarray of int64
        Ids of the N and M objects, rising.
    pairs : ndarray of int
        Shape (P, 2): places in `truth` and `prediction` of the objects that share pixels.
    iou : ndarray of float
        Intersection over union of each pair, over annotated pixels.
    shared : ndarray of int64
        Pixels of each pair's intersection.
    area, unannotated : ndarray of int64
        Pixels of each predicted object: all, and those that are not annotated.
    """

    truth: Ids
    prediction: Ids
    pairs: NDArray[np.intp]
    iou: Figures
    shared: Counts
    area: Counts
    unannotated: Counts

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Predicted objects of which more than half is not annotated."""
        return 2 * self.unannotated > self.area


def compare(shared: Overlaps) -> MatchedObjects:
    """Measure how well objects agree.

    Parameters
    ----------
    shared : Overlaps
        Of the whole image.

    Returns
    -------
    MatchedObjects
        A predicted object that lies on none of the truth is there as well.
    """
    truth, true_area = _areas(shared.truth, shared.pixels)
    prediction, area = _areas(shared.prediction, shared.pixels)
    unannotated = np.zeros_like(area)
    void = (shared.truth == VOID) & (shared.prediction > 0)
    unannotated[np.searchsorted(prediction, shared.prediction[void])] = shared.pixels[void]
    both = (shared.truth > 0) & (shared.prediction > 0)
    row = np.searchsorted(truth, shared.truth[both])
    column = np.searchsorted(prediction, shared.prediction[both])
    common = shared.pixels[both]
    union = true_area[row] + (area - unannotated)[column] - common
    pairs = np.column_stack([row, column])
    return MatchedObjects(truth, prediction, pairs, common / union, common, area, unannotated)


def _areas(ids: Ids, pixels: Counts) -> tuple[Ids, Counts]:
    present, place = np.unique(ids[ids > 0], return_inverse=True)
    areas = np.zeros(len(present), np.int64)
    np.add.at(areas, place, pixels[ids > 0])
    return present, areas


def match(found: MatchedObjects, threshold: float) -> NDArray[np.intp]:
    """Choose the pairs that belong together: each object in one pair at most.

    From an IoU of a half on an object has one partner at most (Kirillov et al. 2019), but for
    ties at the half itself. Below it as many pairs as possible are made, and of all ways to do
    so the one with the highest sum of IoUs is taken.

    Parameters
    ----------
    found : MatchedObjects
        Both sides.
    threshold : float
        The lowest IoU of a pair, above 0.

    Returns
    -------
    ndarray of int
        Places in ``found.pairs``.
    """
    fit = np.flatnonzero(found.iou >= threshold)
    if threshold < 0.5:
        return _assigned(found, fit)
    for side in (0, 1):
        _, first = np.unique(found.pairs[fit, side], return_index=True)
        fit = fit[first]
    return np.sort(fit)


def _assigned(found: MatchedObjects, fit: NDArray[np.intp]) -> NDArray[np.intp]:
    """The best assignment, found in each cluster of objects that touch on its own."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, column = found.pairs[fit].T
    size = len(found.truth) + len(found.prediction)
    touching = (np.ones(len(fit)), (row, column + len(found.truth)))
    _, cluster = connected_components(coo_array(touching, shape=(size, size)), directed=False)
    order = np.argsort(cluster[row], kind="stable")
    parts = np.split(fit[order], np.flatnonzero(np.diff(cluster[row][order])) + 1)
    chosen = [part if len(part) < 2 else _best(found, part) for part in parts]
    return np.sort(np.concatenate(chosen)).astype(np.intp)


def _best(found: MatchedObjects, fit: NDArray[np.intp]) -> NDArray[np.intp]:
    from scipy.optimize import linear_sum_assignment

    (rows, row), (columns, column) = (
        np.unique(ids, return_inverse=True) for ids in found.pairs[fit].T
    )
    place = np.full((len(rows), len(columns)), -1)
    place[row, column] = fit
    worth = np.zeros(place.shape)
    worth[row, column] = 1 + found.iou[fit] / (1 + min(place.shape))  # number first, then IoU
    chosen = place[linear_sum_assignment(worth, maximize=True)]
    return chosen[chosen >= 0]


def tally(found: MatchedObjects, matched: NDArray[np.intp]) -> Counts:
    """Count hits, false positives and misses.

    A predicted object without a partner of which more than half is not annotated is no false
    positive.

    Parameters
    ----------
    found : MatchedObjects
        Both sides.
    matched : ndarray of int
        What `match` chose.

    Returns
    -------
    ndarray of int64
        TP, FP and FN.
    """
    wrong = ~found.left_out
    wrong[found.pairs[matched, 1]] = False
    return np.array([len(matched), wrong.sum(), len(found.truth) - len(matched)], np.int64)


def f1(counts: Counts) -> Figures:
    """F1: 2 TP / (2 TP + FP + FN) of rows of counts, nan where there is no object."""
    hits, wrong, missed = counts.T
    return ratio(2 * hits, 2 * hits + wrong + missed)


def precision(counts: Counts) -> Figures:
    """Part of the predicted objects that are hits, nan where there is none."""
    hits, wrong, _ = counts.T
    return ratio(hits, hits + wrong)


def recall(counts: Counts) -> Figures:
    """Part of the true objects that are hit, nan where there is none."""
    hits, _, missed = counts.T
    return ratio(hits, hits + missed)


def average_precision(counts: Counts) -> Figures:
    """AP as for cells: TP / (TP + FP + FN), nan where there is no object."""
    hits, wrong, missed = counts.T
    return ratio(hits, hits + wrong + missed)


def panoptic_quality(counts: Counts, iou: Figures) -> Figures:
    """PQ: sum of the hits' IoUs over TP + FP / 2 + FN / 2, nan where there is no object."""
    hits, wrong, missed = counts.T
    return ratio(iou, hits + wrong / 2 + missed / 2)
