"""Regions in one piece each, none too small."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage import measure

SMALL = 0.25  # of a typical superpixel: smaller pieces join a neighbour

Labels = NDArray[np.int32]


def in_one_piece(
    labels: NDArray[Any], inside: NDArray[np.bool_], least: float, faces: NDArray[np.float64]
) -> Labels:
    """Number every connected piece of a label for itself; small ones join a neighbour.

    Parameters
    ----------
    labels : ndarray
        Integers from 1.
    inside : ndarray of bool
        What counts.
    least : float
        Pixels: a smaller piece joins the neighbour with which it shares most of its border.
    faces : ndarray
        How much of a border two pixels share that are neighbours along each axis.

    Returns
    -------
    ndarray
        int32: 1 to n in the order of their first pixels, 0 outside.
    """
    pieces = _pieces(np.where(inside, labels, 0))
    while True:
        sizes = np.bincount(pieces.ravel())
        one, other = _longest_borders(pieces, sizes < least, faces)
        if not one.size:
            return _pieces(pieces)  # numbered anew
        count = len(sizes)
        graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
        number = connected_components(graph, directed=False)[1].astype(np.int32) + 1
        number[0] = 0
        pieces = number[pieces]


def _pieces(labels: NDArray[Any]) -> Labels:
    pieces: NDArray[Any] = measure.label(labels, connectivity=1)  # type: ignore[no-untyped-call]
    return pieces.astype(np.int32)


def _longest_borders(
    pieces: Labels, small: NDArray[np.bool_], faces: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Small pieces that have neighbours, and with which of them each shares most of its border."""
    count, keys, shared = len(small), [], []
    for axis, face in enumerate(faces):
        near = np.moveaxis(pieces, axis, 0)
        one, other = near[:-1], near[1:]
        apart = (one != other) & (one > 0) & (other > 0)
        one, other = one[apart].astype(np.int64), other[apart].astype(np.int64)
        keys += [(a * count + b)[small[a]] for a, b in ((one, other), (other, one))]
        shared += [np.full(len(found), face) for found in keys[-2:]]
    pairs, which = np.unique(np.concatenate(keys), return_inverse=True)
    border = np.bincount(which, np.concatenate(shared))
    one, other = pairs // count, pairs % count
    order = np.lexsort((border, one))
    one, other = one[order], other[order]
    last = np.append(one[1:] != one[:-1], True)[: len(one)]
    return one[last], other[last]
