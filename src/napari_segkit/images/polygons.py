"""Polygons: masks of the pixels inside, self-intersections, and ellipses as polygons."""

import numpy as np
from numpy.typing import NDArray

ELLIPSE_TOLERANCE = 0.01  # pixels
PAIRS_AT_ONCE = 2**20  # of edges that are compared


def polygon_mask(
    outline: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Mask of the pixels whose centres are inside a polygon, and its window in the image.

    Each edge toggles all pixels to its right, row by row: time grows with pixels plus edges, not
    pixels times edges as with point-in-polygon tests. `outline` is ``(n, 2)`` in pixels, with
    centres at integers. Centres on an edge are inside on upper and left sides only, so that
    neighbours share no pixel; parts covered twice are outside.
    """
    top, left = np.clip(np.ceil(outline.min(axis=0)), 0, shape).astype(int)
    bottom, right = np.clip(np.ceil(outline.max(axis=0)), (top, left), shape).astype(int)
    start, stop = outline, np.roll(outline, -1, axis=0)
    down = (start[:, 0] <= stop[:, 0])[:, None]
    (y0, x0), (y1, x1) = np.where(down, start, stop).T, np.where(down, stop, start).T
    rows = np.clip(np.ceil([y0, y1]), top, bottom).astype(int)
    edge, offset = _concatenated_ranges(rows[1] - rows[0])
    row = rows[0][edge] + offset
    fraction = (row - y0[edge]) / (y1 - y0)[edge]
    column = np.ceil(x0[edge] + fraction * (x1 - x0)[edge])
    toggles = np.zeros((bottom - top, right - left + 1), bool)
    index = (row - top, np.clip(column, left, right).astype(int) - left)
    np.logical_xor.at(toggles, index, True)
    inside = np.logical_xor.accumulate(toggles, axis=1)[:, :-1]
    return (slice(top, bottom), slice(left, right)), inside


def find_crossing(outline: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """A point where a polygon ``(n, 2)`` crosses itself, or None.

    Edges that only touch do not cross: a slit into a hole may run along itself.
    """
    start = _drop_collinear(outline)
    stop = np.roll(start, -1, axis=0)
    lowest, highest = np.minimum(start, stop), np.maximum(start, stop)
    order = np.argsort(lowest[:, 0], kind="stable")
    start, stop, lowest, highest = (a[order] for a in (start, stop, lowest, highest))
    ends = np.searchsorted(lowest[:, 0], highest[:, 0], side="right")
    later = ends - np.arange(len(start)) - 1  # number of edges that begin before this one ends
    step = max(PAIRS_AT_ONCE // max(len(start), 1), 1)
    for begin in range(0, len(start), step):
        a, offset = _concatenated_ranges(later[begin : begin + step])
        a += begin
        b = a + offset + 1
        overlap = (lowest[a, 1] <= highest[b, 1]) & (lowest[b, 1] <= highest[a, 1])
        a, b = a[overlap], b[overlap]
        a_start = _orientation(start[a], start[b], stop[b])
        a_stop = _orientation(stop[a], start[b], stop[b])
        b_start = _orientation(start[b], start[a], stop[a])
        b_stop = _orientation(stop[b], start[a], stop[a])
        crossing = np.flatnonzero((a_start * a_stop < 0) & (b_start * b_stop < 0))
        if crossing.size:
            i = crossing[0]
            fraction = a_start[i] / (a_start[i] - a_stop[i])
            return start[a[i]] + fraction * (stop[a[i]] - start[a[i]])
    return None


def ellipse_polygon(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ellipse inside a parallelogram ``(4, ndim)`` as a polygon."""
    a, b = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    radius = np.hypot(np.linalg.norm(a), np.linalg.norm(b))
    count = int(np.clip(np.pi * np.sqrt(radius / (2 * ELLIPSE_TOLERANCE)), 32, 4096))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    return corners.mean(axis=0) + np.cos(angle) * a + np.sin(angle) * b


def _concatenated_ranges(lengths: NDArray[np.int_]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """For the values of ``range(n)`` of all lengths: the number of the range, and the value."""
    lengths = lengths.clip(0)
    number = np.repeat(np.arange(len(lengths)), lengths)
    return number, np.arange(len(number)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _orientation(
    point: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Cross product: positive or negative on either side of the line from `start` to `stop`."""
    line, to = stop - start, point - start
    return line[:, 0] * to[:, 1] - line[:, 1] * to[:, 0]


def _drop_collinear(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop vertices without a turn, which a crossing could run through undetected."""
    kept = outline[(outline != np.roll(outline, 1, axis=0)).any(axis=1)]
    before, after = np.roll(kept, 1, axis=0), np.roll(kept, -1, axis=0)
    return kept[_orientation(kept, before, after) != 0]
