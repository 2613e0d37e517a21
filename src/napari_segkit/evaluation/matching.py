"""Matching of predicted objects with those of the truth, by the pixels they share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .confusion import Counts, Floats, ratio
from .contingency import VOID, ContingencyTable, Ids

ABOVE_HALF = float(np.nextafter(0.5, 1))


@dataclass(frozen=True, eq=False)
class OverlappingObjects:
    """Objects of truth and prediction, and the IoU of all pairs that overlap."""

    truth: Ids  # (N,), rising
    prediction: Ids  # (M,), rising
    pairs: NDArray[np.intp]  # (P, 2): indices into `truth` and `prediction`
    iou: Floats  # (P,)
    shared: Counts  # (P,): pixels of the intersection
    area: Counts  # (M,): pixels of each predicted object
    unannotated: Counts  # (M,): those of them that are not annotated

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Predicted objects of which more than half is not annotated."""
        return 2 * self.unannotated > self.area


def overlapping_objects(shared: ContingencyTable) -> OverlappingObjects:
    """Compute the IoU of all overlapping pairs, over annotated pixels."""
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
    return OverlappingObjects(truth, prediction, pairs, common / union, common, area, unannotated)


def _areas(ids: Ids, pixels: Counts) -> tuple[Ids, Counts]:
    present, place = np.unique(ids[ids > 0], return_inverse=True)
    areas = np.zeros(len(present), np.int64)
    np.add.at(areas, place, pixels[ids > 0])
    return present, areas


def match_objects(objects: OverlappingObjects, threshold: float) -> NDArray[np.intp]:
    """Match objects one to one, and return the indices of the matched pairs.

    From an IoU of 0.5 on, matches are unique (Kirillov et al. 2019) but for ties at 0.5. Below,
    as many pairs as possible are matched, with the highest sum of IoUs.
    """
    candidates = np.flatnonzero(objects.iou >= threshold)
    if threshold < 0.5:
        return _optimal_pairs(objects, candidates)
    for side in (0, 1):
        _, first = np.unique(objects.pairs[candidates, side], return_index=True)
        candidates = candidates[first]
    return np.sort(candidates)


def _optimal_pairs(objects: OverlappingObjects, candidates: NDArray[np.intp]) -> NDArray[np.intp]:
    """The optimal assignment, computed for each connected group of overlapping objects."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, column = objects.pairs[candidates].T
    size = len(objects.truth) + len(objects.prediction)
    edges = (np.ones(len(candidates)), (row, column + len(objects.truth)))
    _, group = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    order = np.argsort(group[row], kind="stable")
    groups = np.split(candidates[order], np.flatnonzero(np.diff(group[row][order])) + 1)
    matched = [pairs if len(pairs) < 2 else _assign(objects, pairs) for pairs in groups]
    return np.sort(np.concatenate(matched)).astype(np.intp)


def _assign(objects: OverlappingObjects, candidates: NDArray[np.intp]) -> NDArray[np.intp]:
    from scipy.optimize import linear_sum_assignment

    (rows, row), (columns, column) = (
        np.unique(ids, return_inverse=True) for ids in objects.pairs[candidates].T
    )
    index = np.full((len(rows), len(columns)), -1)
    index[row, column] = candidates
    weights = np.zeros(index.shape)  # the number of pairs counts first, then their IoU
    weights[row, column] = 1 + objects.iou[candidates] / (1 + min(index.shape))
    matched = index[linear_sum_assignment(weights, maximize=True)]
    return matched[matched >= 0]


def count_matches(objects: OverlappingObjects, matched: NDArray[np.intp]) -> Counts:
    """Count TP, FP and FN.

    Unmatched predictions that are mostly not annotated are no false positives.
    """
    unmatched = ~objects.left_out
    unmatched[objects.pairs[matched, 1]] = False
    return np.array([len(matched), unmatched.sum(), len(objects.truth) - len(matched)], np.int64)


def f1(counts: Counts) -> Floats:
    """F1, 2 TP / (2 TP + FP + FN), of rows of counts; nan without objects."""
    hits, unmatched, misses = counts.T
    return ratio(2 * hits, 2 * hits + unmatched + misses)


def precision(counts: Counts) -> Floats:
    """Precision, TP / (TP + FP), of rows of counts; nan without predictions."""
    hits, unmatched, _ = counts.T
    return ratio(hits, hits + unmatched)


def recall(counts: Counts) -> Floats:
    """Recall, TP / (TP + FN), of rows of counts; nan without true objects."""
    hits, _, misses = counts.T
    return ratio(hits, hits + misses)


def average_precision(counts: Counts) -> Floats:
    """AP as for cells, TP / (TP + FP + FN), of rows of counts; nan without objects."""
    hits, unmatched, misses = counts.T
    return ratio(hits, hits + unmatched + misses)


def panoptic_quality(counts: Counts, iou: Floats) -> Floats:
    """PQ, sum of IoUs / (TP + FP / 2 + FN / 2), of rows of counts; nan without objects."""
    hits, unmatched, misses = counts.T
    return ratio(iou, hits + unmatched / 2 + misses / 2)
