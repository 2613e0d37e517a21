"""Linking of 2D objects through the slices of a stack by overlap."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import rank_values
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.images.value_counts import count_values


def link_slices(labels: Labels, threshold: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Link objects of neighbouring slices ``(Z, Y, X)`` whose IoU reaches `threshold`, one to one.

    As Cellpose's stitching (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x), but two objects
    of a slice are never merged: the best pairs are linked first. Values up to 0 stay. Returns int32
    labels with consecutive new ids, and int64 rows (slice, old id, new id, pixels) of every object
    in every slice.
    """
    if labels.ndim != 3:
        raise ValueError(
            f"The labels have shape {labels.shape}; objects are linked through the slices of a "
            "stack: give three dimensions, Z, Y and X."
        )
    if not 0 < threshold <= 1:
        raise ValueError(
            f"threshold={threshold} is not a valid IoU; give a number above 0 and up to 1."
        )
    linked = np.minimum(labels, 0).astype(np.int32)
    links, total = [np.zeros((0, 4), np.int64)], 0
    before = np.zeros(labels.shape[1:], np.intp)
    new = before_areas = np.zeros(1, np.int64)
    for z, plane in enumerate(labels):
        ids, ranks, areas = _rank_ids(plane)
        after = np.zeros(len(areas), np.int64)
        for first, second in _match_slices(before, ranks, before_areas, areas, threshold):
            after[second] = new[first]
        fresh = np.flatnonzero(after[1:] == 0) + 1
        after[fresh] = total + 1 + np.arange(len(fresh))
        total += len(fresh)
        linked[z] += after[ranks].astype(np.int32)
        links.append(np.stack([np.full(len(ids), z), ids, after[1:], areas[1:]], axis=1))
        before, new, before_areas = ranks, after, areas
    return linked, np.concatenate(links)


def one_to_one(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs of which neither member is in an earlier one that is kept."""
    kept: dict[int, int] = {}
    taken: set[int] = set()
    for first, second in pairs:
        if first not in kept and second not in taken:
            kept[first] = second
            taken.add(second)
    return list(kept.items())


def _rank_ids(
    plane: Labels,
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.int64]]:
    """The ids of a slice, the rank of each pixel (0 background), and the area of each rank."""
    objects = np.maximum(plane, 0)
    ids, areas = count_values(objects)
    if len(ids) == 0 or ids[0] != 0:
        ids, areas = np.insert(ids, 0, 0), np.insert(areas, 0, 0)
    return ids[1:].astype(np.int64), rank_values(objects, ids), areas


def _match_slices(
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    before_areas: NDArray[np.int64],
    after_areas: NDArray[np.int64],
    threshold: float,
) -> list[tuple[int, int]]:
    """Ranks of linked objects in one slice and the next, one to one, the highest IoU first."""
    first, second, overlap = count_pairs(before, after)
    union = before_areas[first] + after_areas[second] - overlap
    return best_pairs(first, second, overlap / union, threshold)


def count_pairs(one: Labels, other: Labels) -> tuple[AnyArray, AnyArray, NDArray[np.int64]]:
    """Pairs of ids above 0 at the same pixels, in rising order, and the pixels of each pair."""
    both, base = (one > 0) & (other > 0), int(other.max(initial=0)) + 1
    keys, pixels = count_values(one[both].astype(np.int64) * base + other[both])
    return *np.divmod(keys, base), pixels


def best_pairs(
    first: AnyArray, second: AnyArray, iou: AnyArray, threshold: float
) -> list[tuple[int, int]]:
    """Pairs whose IoU reaches a threshold, one to one, the highest first."""
    order = np.argsort(-iou, kind="stable")
    order = order[iou[order] >= threshold]
    return one_to_one(zip(first[order].tolist(), second[order].tolist(), strict=True))
