"""Polygons: the pixels inside, where one crosses itself, and ellipses as polygons."""

import numpy as np
from numpy.typing import NDArray

CLOSE = 0.01  # how far, in pixels, a polygon may be from the ellipse that it stands for
PAIRS = 2**20  # of lines that are compared at a time


def fill(
    outline: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Find the pixels whose centres lie inside a polygon.

    Row by row, each line toggles all pixels to the right of it, which takes time for pixels plus
    lines and not, as point-in-polygon tests do, for pixels times lines.

    Parameters
    ----------
    outline : ndarray
        Corners (n, 2) in pixels, the centres of which are at whole numbers. Centres on a line
        are inside on upper and left sides only, so that neighbours share no pixel.
    shape : tuple of int
        Height and width of the image; what lies outside is cut off.

    Returns
    -------
    tuple
        Two slices, the window of the image that the polygon reaches into, and a bool array of its
        size. Parts covered twice are outside.
    """
    top, left = np.clip(np.ceil(outline.min(axis=0)), 0, shape).astype(int)
    bottom, right = np.clip(np.ceil(outline.max(axis=0)), (top, left), shape).astype(int)
    start, stop = outline, np.roll(outline, -1, axis=0)
    down = (start[:, 0] <= stop[:, 0])[:, None]
    (y0, x0), (y1, x1) = np.where(down, start, stop).T, np.where(down, stop, start).T
    rows = np.clip(np.ceil([y0, y1]), top, bottom).astype(int)
    line, along = _ranges(rows[1] - rows[0])
    row = rows[0][line] + along
    share = (row - y0[line]) / (y1 - y0)[line]
    column = np.ceil(x0[line] + share * (x1 - x0)[line])
    toggles = np.zeros((bottom - top, right - left + 1), bool)
    places = (row - top, np.clip(column, left, right).astype(int) - left)
    np.logical_xor.at(toggles, places, True)
    inside = np.logical_xor.accumulate(toggles, axis=1)[:, :-1]
    return (slice(top, bottom), slice(left, right)), inside


def crossing(outline: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Find a place where a polygon crosses itself.

    Lines that only touch do not cross: a slit into a hole may run along itself.

    Parameters
    ----------
    outline : ndarray
        Corners (n, 2); the first may be repeated at the end.

    Returns
    -------
    ndarray or None
        One such place, None where there is none.
    """
    start = _without_straight(outline)
    stop = np.roll(start, -1, axis=0)
    lowest, highest = np.minimum(start, stop), np.maximum(start, stop)
    order = np.argsort(lowest[:, 0], kind="stable")
    start, stop, lowest, highest = (a[order] for a in (start, stop, lowest, highest))
    reach = np.searchsorted(lowest[:, 0], highest[:, 0], side="right")
    later = reach - np.arange(len(start)) - 1  # lines that begin before this one ends
    step = max(PAIRS // max(len(start), 1), 1)
    for begin in range(0, len(start), step):
        one, along = _ranges(later[begin : begin + step])
        one += begin
        other = one + along + 1
        meet = (lowest[one, 1] <= highest[other, 1]) & (lowest[other, 1] <= highest[one, 1])
        one, other = one[meet], other[meet]
        ends = _side(start[one], start[other], stop[other])
        tips = _side(stop[one], start[other], stop[other])
        begins = _side(start[other], start[one], stop[one])
        finishes = _side(stop[other], start[one], stop[one])
        found = np.flatnonzero((ends * tips < 0) & (begins * finishes < 0))
        if found.size:
            first = found[0]
            share = ends[first] / (ends[first] - tips[first])
            return start[one[first]] + share * (stop[one[first]] - start[one[first]])
    return None


def ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the ellipse inside a parallelogram as a polygon.

    Parameters
    ----------
    corners : ndarray
        Shape (4, ndim), in order around it.

    Returns
    -------
    ndarray
        Shape (n, ndim), with so many corners that none of its lines is farther than a hundredth
        of a pixel from the ellipse.
    """
    one, other = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    radius = np.hypot(np.linalg.norm(one), np.linalg.norm(other))
    count = int(np.clip(np.pi * np.sqrt(radius / (2 * CLOSE)), 32, 4096))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    return corners.mean(axis=0) + np.cos(angle) * one + np.sin(angle) * other


def _ranges(lengths: NDArray[np.int_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """For ranges of these lengths laid end to end, which range each place is of, and where."""
    lengths = lengths.clip(0)
    which = np.repeat(np.arange(len(lengths)), lengths)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _side(
    point: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> NDArray[np.float64]:
    """On which side of a line a point lies: the sign of the cross product."""
    line, to = stop - start, point - start
    return line[:, 0] * to[:, 1] - line[:, 1] * to[:, 0]


def _without_straight(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners at which an outline turns: through others, it could cross itself unseen."""
    kept = outline[(outline != np.roll(outline, 1, axis=0)).any(axis=1)]
    before, after = np.roll(kept, 1, axis=0), np.roll(kept, -1, axis=0)
    return kept[_side(kept, before, after) != 0]
