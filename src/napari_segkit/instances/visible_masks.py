"""Which soft masks are seen, and their labels in a part of the image: as `render_labels`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.regions import Box, intersection, lengths, relative

from .candidates import MIN_VISIBLE, SoftMasks
from .roi_masks import paste

CELL = 128  # pixels; masks are looked for in cells of this edge


class VisibleMasks:
    """The masks of a frame that are kept, found without labels of the whole frame.

    A pixel of several belongs to the first of them, that with the highest score, so that the labels
    of any box follow from the masks that reach into it.
    """

    def __init__(self, candidates: SoftMasks, shape: Sequence[int], config: ObjectConfig) -> None:
        self._candidates, self._shape = candidates, shape
        self._threshold = config.mask_threshold
        self._near: dict[tuple[int, ...], list[int]] = defaultdict(list)  # kept ones, by cell
        confident = np.flatnonzero(candidates.scores >= config.score).tolist()
        self.kept = [number for number in confident if self._add(number)]
        self._number = {n: number for number, n in enumerate(self.kept, 1)}

    def labels(self, box: Box) -> NDArray[np.int32]:
        """Labels 1, 2, ... of the kept masks in a box, in the order of `kept`."""
        labels = np.zeros(lengths(box), np.int32)
        for number in self._kept_in(box):
            inside, place = self._paste(number)
            if (shared := intersection(place, box)) is not None:
                target = labels[relative(shared, box)]
                target[inside[relative(shared, place)] & (target == 0)] = self._number[number]
        return labels

    def _add(self, number: int) -> bool:
        """Whether enough of a mask is seen beside those that are kept already."""
        inside, place = self._paste(number)
        free = inside.copy()
        for other in self._kept_in(place):
            mask, other_place = self._paste(other)
            if (shared := intersection(place, other_place)) is not None:
                free[relative(shared, place)] &= ~mask[relative(shared, other_place)]
        if not free.any() or free.sum() < MIN_VISIBLE * inside.sum():
            return False
        for cell in _cells(place):
            self._near[cell].append(number)
        return True

    def _kept_in(self, box: Box) -> list[int]:
        """Kept masks near a box, by falling score."""
        return sorted({number for cell in _cells(box) for number in self._near.get(cell, ())})

    def _paste(self, number: int) -> tuple[NDArray[np.bool_], Box]:
        candidates = self._candidates
        mask, place = paste(candidates.masks[number], candidates.boxes[number], self._shape)
        return mask >= self._threshold, place


def _cells(box: Box) -> Iterator[tuple[int, ...]]:
    return product(*[range(s.start // CELL, (s.stop - 1) // CELL + 1) for s in box])
