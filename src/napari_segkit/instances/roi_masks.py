"""Soft masks: a small grid of probabilities in a box, pasted into that box only."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GRID = 28  # edge of a soft mask, as Mask R-CNN makes them

Box = tuple[slice, slice]


def paste(
    mask: NDArray[np.floating], box: Sequence[float], shape: Sequence[int]
) -> tuple[NDArray[np.float32], Box]:
    """Probabilities of the pixels in a box.

    Parameters
    ----------
    mask : ndarray
        ``(28, 28)``, probabilities of the area inside the box.
    box : sequence of float
        x0, y0, x1, y1 in pixels.
    shape : sequence of int
        Height and width of the image; what lies outside is left out.

    Returns
    -------
    tuple
        float32 probabilities, blended linearly, and the part of the image they belong to.
    """
    x0, y0, x1, y1 = box
    rows, cols = _inside(y0, y1, shape[0]), _inside(x0, x1, shape[1])
    down = _hats(np.arange(rows.start, rows.stop), y0, y1, mask.shape[0])
    across = _hats(np.arange(cols.start, cols.stop), x0, x1, mask.shape[1])
    return down @ mask.astype(np.float32) @ across.T, (rows, cols)


def cut_out(
    probabilities: NDArray[np.floating], box: Sequence[float], origin: Sequence[int]
) -> NDArray[np.float16]:
    """The soft mask of a box, out of the probabilities around it: the reverse of `paste`.

    Parameters
    ----------
    probabilities : ndarray
        ``(Y, X)``.
    box : sequence of float
        x0, y0, x1, y1 in pixels of the image.
    origin : sequence of int
        Row and column of the image at which `probabilities` starts.

    Returns
    -------
    ndarray
        float16 ``(28, 28)``.
    """
    from scipy.ndimage import map_coordinates

    x0, y0, x1, y1 = box
    centres = (np.arange(GRID) + 0.5) / GRID
    rows = y0 + centres * (y1 - y0) - 0.5 - origin[0]
    cols = x0 + centres * (x1 - x0) - 0.5 - origin[1]
    grid = np.meshgrid(rows, cols, indexing="ij")
    sampled = map_coordinates(probabilities.astype(np.float32), grid, order=1, mode="nearest")
    return sampled.astype(np.float16)


def _inside(start: float, stop: float, length: int) -> slice:
    """Pixels whose centres lie in an interval, at least one."""
    first = min(max(int(np.ceil(start - 0.5)), 0), length - 1)
    return slice(first, min(max(int(np.ceil(stop - 0.5)), first + 1), length))


def _hats(pixels: NDArray[np.int_], start: float, stop: float, count: int) -> NDArray[np.float32]:
    """Weights ``(pixels, count)`` of linear blending; nothing outside the grid is taken as 0."""
    place = (pixels + 0.5 - start) / max(stop - start, 1e-6) * count - 0.5
    place = place.clip(0, count - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count))).astype(np.float32)
