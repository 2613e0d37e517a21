"""Objects of blocks that continue each other become one."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels

from .block_objects import Face, ObjectSums
from .link_slices import best_pairs, count_pairs
from .object_rows import ObjectRows
from .watershed import score_objects

SAME_IOU = 0.5  # around a face, from which the objects of two blocks are one

Key = tuple[int, ...]  # place of a block among the others: frame, then number along each axis


class BlockLinks:
    """Pairs of objects that are one; blocks are added in any order.

    Both blocks at a face have labelled the pixels on both sides of it. Connected components are one
    if they share a pixel there; objects that a watershed separated, if they agree, one to one.
    """

    def __init__(self, *, components: bool) -> None:
        self._components = components
        self._open: dict[tuple[Key, int], tuple[int, NDArray[np.int32]]] = {}
        self._pairs: list[NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]

    def add(self, key: Key, before: int, faces: Mapping[Face, NDArray[np.int32]]) -> None:
        """Add a block; `before` is the number of objects of the blocks that were added before."""
        for (axis, end), strip in faces.items():
            name = key if end else _before(key, axis - strip.ndim)
            if (name, axis) not in self._open:
                self._open[name, axis] = before, strip
                continue
            other_before, other = self._open.pop((name, axis))
            pairs = self._matched(strip, other)
            self._pairs.append(pairs + np.array([before - 1, other_before - 1]))

    def _matched(self, one: Labels, other: Labels) -> NDArray[np.int64]:
        first, second, overlap = count_pairs(one, other)
        pairs = np.stack([first, second], axis=1).astype(np.int64)
        if self._components:
            return pairs
        sizes = [np.bincount(ids.ravel()) for ids in (one, other)]
        iou = overlap / (sizes[0][first] + sizes[1][second] - overlap)
        return np.array(best_pairs(first, second, iou, SAME_IOU), np.int64).reshape(-1, 2)

    def groups(self, count: int) -> tuple[NDArray[np.intp], int]:
        """The group of each object, counted from 0, and how many groups there are."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        first, second = np.concatenate(self._pairs).T
        graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
        number, groups = connected_components(graph, directed=False)
        return groups.astype(np.intp), int(number)


def _before(key: Key, axis: int) -> Key:
    """The block before another one along a spatial axis, counted from the last."""
    numbers = list(key)
    numbers[axis] -= 1
    return tuple(numbers)


def join_blocks(
    links: BlockLinks, sums: Sequence[ObjectSums], least: float, score: float
) -> tuple[NDArray[np.int32], ObjectRows]:
    """The number of each object of all blocks, and the objects that are certain and score enough.

    `sums` are those of the blocks in the order in which they were added, and `least` is the
    `uncertain_area`. Objects are numbered from 1 by their first pixels; 0 are those left out.
    """
    parts = ObjectSums.concatenate(sums)
    groups, count = links.groups(len(parts))
    joined = parts.added_up(groups, count)
    positions, scores, kept = score_objects(joined.pixels, joined.probabilities, least)
    order = np.argsort(joined.first)
    order = order[(kept & (scores >= score))[order]]
    numbers = np.zeros(count, np.int32)
    numbers[order] = np.arange(1, len(order) + 1)
    rows = ObjectRows(positions[order], scores[order], joined.pixels[order], joined.boxes[order])
    return numbers[groups], rows
