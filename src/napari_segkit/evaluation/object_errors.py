"""What became of each object: matched, missed, invented, split or merged."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import rank_values
from napari_segkit.images.regions import Box
from napari_segkit.images.types import Labels

from .contingency import VOID, ContingencyTable, Ids
from .matching import OverlappingObjects, match_objects, overlapping_objects

if TYPE_CHECKING:
    from pandas import DataFrame

Statuses = NDArray[np.uint8]
Places = NDArray[np.intp]
NOT_COUNTED, MATCHED, MISSED, INVENTED, SPLIT, MERGED = range(6)
STATUS_NAMES = ("not counted", "matched", "missed", "invented", "split", "merged")


@dataclass(frozen=True, eq=False)
class ObjectErrors:
    """The objects of an image with what became of them, and where they are."""

    objects: OverlappingObjects
    matched: NDArray[np.intp]  # indices into `objects.pairs`
    truth: Statuses  # of each true object
    prediction: Statuses  # of each predicted one
    truth_pixels: Ids
    truth_boxes: "ObjectBoxes" = field(repr=False)
    predicted_boxes: "ObjectBoxes" = field(repr=False)

    @classmethod
    def of(cls, shared: ContingencyTable, threshold: float, ndim: int) -> "ObjectErrors":
        """Match the objects of a contingency table at an IoU threshold."""
        objects = overlapping_objects(shared)
        matched = match_objects(objects, threshold)
        areas = _areas(objects.truth, shared)
        boxes = ObjectBoxes(objects.truth, ndim), ObjectBoxes(objects.prediction, ndim)
        return cls(objects, matched, *_statuses(objects, areas, matched), areas, *boxes)

    def paint(self, prediction: Labels, truth: Labels, start: int) -> Statuses:
        """The status of the objects at each pixel of a slab that begins at `start`.

        Where a true and a predicted object lie on each other, what went wrong is painted.
        """
        true_rank = self.truth_boxes.update(truth, start)
        predicted_rank = self.predicted_boxes.update(prediction, start)
        true = np.append(np.uint8(0), self.truth)[true_rank]
        predicted = np.append(np.uint8(0), self.prediction)[predicted_rank]
        seen = np.where(predicted > MATCHED, predicted, np.maximum(true, predicted))
        status = np.where(true > MATCHED, true, seen)
        return np.where(truth == VOID, np.uint8(NOT_COUNTED), status)

    @cached_property
    def table(self) -> "DataFrame":
        """A row for each match, each other true object and each other predicted one.

        Those without a match come first, the largest first; then the matches, the worst first. The
        columns are status, truth and prediction (ids, 0 without a match), iou (without a match the
        highest with any object), truth_pixels and predicted_pixels.
        """
        from pandas import DataFrame

        both, (truth, prediction) = self.objects, self._rows
        status = np.where(truth >= 0, _at(self.truth, truth), _at(self.prediction, prediction))
        return DataFrame(
            {
                "status": np.array(STATUS_NAMES)[status],
                "truth": _at(both.truth, truth),
                "prediction": _at(both.prediction, prediction),
                "iou": self._iou(truth, prediction),
                "truth_pixels": _at(self.truth_pixels, truth),
                "predicted_pixels": _at(both.area, prediction),
            }
        )

    def box(self, row: int) -> Box:
        """The smallest box around the objects of a row of the table."""
        truth, prediction = self._rows
        sides = (self.truth_boxes, truth[row]), (self.predicted_boxes, prediction[row])
        bounds = [boxes.bounds(int(index)) for boxes, index in sides if index >= 0]
        first, last = np.min([b[0] for b in bounds], 0), np.max([b[1] for b in bounds], 0)
        return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of rows of the table for each status."""
        statuses, counts = np.unique(self.table["status"].to_numpy(str), return_counts=True)
        found = dict(zip(statuses.tolist(), counts.tolist(), strict=True))
        return {name: found.get(name, 0) for name in STATUS_NAMES}

    @cached_property
    def _rows(self) -> tuple[Places, Places]:
        """Index of the true and of the predicted object of each row, -1 without one."""
        row, column = self.objects.pairs[self.matched].T
        misses = np.delete(np.arange(len(self.truth)), row)
        others = np.delete(np.arange(len(self.prediction)), column)
        truth = np.concatenate([row, misses, np.full(len(others), -1)])
        prediction = np.concatenate([column, np.full(len(misses), -1), others])
        is_match = (truth >= 0) & (prediction >= 0)
        pixels = _at(self.truth_pixels, truth) + _at(self.objects.area, prediction)
        rank = np.where(is_match, self._iou(truth, prediction), -pixels)
        order = np.lexsort((rank, is_match))
        return truth[order], prediction[order]

    def _iou(self, truth: Places, prediction: Places) -> NDArray[np.float64]:
        """IoU of the objects of rows; without a match the highest with any object."""
        best = [np.zeros(len(side) + 1) for side in (self.truth, self.prediction)]  # last: none
        for side, highest in enumerate(best):
            np.maximum.at(highest, self.objects.pairs[:, side], self.objects.iou)
        of_match = np.full(len(self.truth) + 1, np.nan)
        of_match[self.objects.pairs[self.matched, 0]] = self.objects.iou[self.matched]
        unmatched = np.maximum(best[0][truth], best[1][prediction])
        return np.where((truth >= 0) & (prediction >= 0), of_match[truth], unmatched)


class ObjectBoxes:
    """The smallest box around each object, found part by part."""

    def __init__(self, ids: Ids, ndim: int) -> None:
        self._ids = np.append(0, ids)
        self._first = np.full((len(ids), ndim), np.iinfo(np.int64).max)
        self._last = np.zeros((len(ids), ndim), np.int64)

    def update(self, values: Labels, start: int) -> NDArray[np.intp]:
        """Take in a slab that begins at `start`; gives the number of each object from 1, else 0."""
        from scipy.ndimage import find_objects

        ranks = rank_values(np.maximum(values, 0), self._ids)
        offset = np.array([start, *[0] * (values.ndim - 1)])
        for index, box in enumerate(find_objects(ranks)):
            if box is not None:
                first, last = ([side.start for side in box], [side.stop for side in box])
                self._first[index] = np.minimum(self._first[index], first + offset)
                self._last[index] = np.maximum(self._last[index], last + offset)
        return ranks

    def bounds(self, index: int) -> tuple[Ids, Ids]:
        """First pixel of an object, and that after its last one, along each axis."""
        return self._first[index], self._last[index]


def _statuses(
    objects: OverlappingObjects, areas: Ids, matched: NDArray[np.intp]
) -> tuple[Statuses, Statuses]:
    """What became of each true and each predicted object.

    A true object is split if two predicted ones lie in it with more than half of their pixels, a
    predicted one is merged of two true ones if more than half of each lies in it.
    """
    row, column = objects.pairs.T
    is_part = 2 * objects.shared > (objects.area - objects.unannotated)[column]
    is_member = 2 * objects.shared > areas[row]
    parts = np.bincount(row[is_part], minlength=len(areas))
    members = np.bincount(column[is_member], minlength=len(objects.area))
    truth = np.full(len(areas), MISSED, np.uint8)
    prediction = np.full(len(objects.area), INVENTED, np.uint8)
    truth[row[is_member & (members[column] > 1)]] = MERGED
    prediction[members > 1] = MERGED
    truth[parts > 1] = SPLIT
    prediction[column[is_part & (parts[row] > 1)]] = SPLIT
    prediction[objects.left_out] = NOT_COUNTED
    truth[row[matched]] = prediction[column[matched]] = MATCHED
    return truth, prediction


def _areas(ids: Ids, shared: ContingencyTable) -> Ids:
    """Pixels of each true object."""
    inside = shared.truth > 0
    index = np.searchsorted(ids, shared.truth[inside])
    areas = np.zeros(len(ids), np.int64)
    np.add.at(areas, index, shared.pixels[inside])
    return areas


def _at(values: NDArray[np.integer], index: NDArray[np.intp]) -> NDArray[np.integer]:
    """Values at indices, 0 where the index is -1."""
    return np.append(values, values.dtype.type(0))[index]
