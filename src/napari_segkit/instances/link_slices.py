"""One object through the slices of a stack: what overlaps from slice to slice is one."""

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.labels import count


def link_slices(
    labels: NDArray[np.integer], threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Join the objects of neighbouring slices that overlap enough.

    As Cellpose's stitching does, objects of neighbouring slices become one where their
    intersection over union reaches the threshold; but one object goes on in one object at most,
    the best pairs first, so that two cells of a slice never become one.

    Parameters
    ----------
    labels : ndarray of int
        Shape (Z, Y, X). Objects have ids above 0, unique within a slice at least; the same id in
        two slices means nothing.
    threshold : float
        Least intersection over union, above 0 and up to 1.

    Returns
    -------
    labels : ndarray of int32
        New ids from 1 on without gaps, in the order in which the objects appear: by slice, then
        by their id in it. Pixels of 0 and less stay as they are.
    links : ndarray of int64
        Shape (objects, 4): slice, id there, new id and pixels there of every object of every
        slice, in order of appearance. ``np.bincount(links[:, 2], scores * links[:, 3])`` sums up
        over the slices what each object has there.

    Raises
    ------
    ValueError
        If the labels are no stack, or the threshold is not one.

    References
    ----------
    C. Stringer et al., Cellpose: a generalist algorithm for cellular segmentation, Nature Methods
    18, 2021, doi:10.1038/s41592-020-01018-x.
    """
    if labels.ndim != 3:
        raise ValueError(
            f"The labels have shape {labels.shape}; objects are linked through the slices of a "
            "stack: give three dimensions, Z, Y and X."
        )
    if not 0 < threshold <= 1:
        raise ValueError(
            f"threshold={threshold} is no overlap to link at; give a number above 0 and up to 1."
        )
    linked = np.minimum(labels, 0).astype(np.int32)
    links, total = [np.zeros((0, 4), np.int64)], 0
    before = np.zeros(labels.shape[1:], np.intp)
    new = before_areas = np.zeros(1, np.int64)
    for z, plane in enumerate(labels):
        ids, ranks, areas = _ranked(plane)
        after = np.zeros(len(areas), np.int64)
        one, other = _pairs(before, ranks, before_areas, areas, threshold)
        after[other] = new[one]
        fresh = np.flatnonzero(after[1:] == 0) + 1
        after[fresh] = total + 1 + np.arange(len(fresh))
        total += len(fresh)
        linked[z] += after[ranks].astype(np.int32)
        links.append(np.stack([np.full(len(ids), z), ids, after[1:], areas[1:]], axis=1))
        before, new, before_areas = ranks, after, areas
    return linked, np.concatenate(links)


def _ranked(
    plane: NDArray[np.integer],
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.int64]]:
    """The ids of a slice, the place of each pixel's id among them (from 1), and their areas."""
    objects = np.maximum(plane, 0)
    ids, areas = count(objects)
    if len(ids) == 0 or ids[0] != 0:
        ids, areas = np.insert(ids, 0, 0), np.insert(areas, 0, 0)
    if ids[-1] < max(2**16, plane.size):
        places = np.zeros(int(ids[-1]) + 1, np.intp)
        places[ids] = np.arange(len(ids))
        return ids[1:].astype(np.int64), places[objects], areas
    return ids[1:].astype(np.int64), np.searchsorted(ids, objects), areas


def _pairs(
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    before_areas: NDArray[np.int64],
    after_areas: NDArray[np.int64],
    threshold: float,
) -> tuple[list[int], list[int]]:
    """Which object of one slice goes on in which of the next, one to one, the best first."""
    both = (before > 0) & (after > 0)
    keys, overlap = count(before[both] * len(after_areas) + after[both])
    one, other = np.divmod(keys, len(after_areas))
    iou = overlap / (before_areas[one] + after_areas[other] - overlap)
    order = np.argsort(-iou, kind="stable")
    order = order[iou[order] >= threshold]
    ones: dict[int, int] = {}
    others: set[int] = set()
    for first, second in zip(one[order].tolist(), other[order].tolist(), strict=True):
        if first not in ones and second not in others:
            ones[first] = second
            others.add(second)
    return list(ones), list(ones.values())
