"""Soft masks of regions of interest: 28 x 28 probabilities per box, as Mask R-CNN gives them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MASK_SIZE = 28  # edge of a soft mask

Box = tuple[slice, slice]


def paste(
    mask: NDArray[np.floating], box: Sequence[float], shape: Sequence[int]
) -> tuple[NDArray[np.float32], Box]:
    """Resample a mask ``(28, 28)`` linearly to the pixels of its box.

    `box` is x0, y0, x1, y1 in pixels. Returns float32 probabilities and their place in the image.
    """
    x0, y0, x1, y1 = box
    rows, cols = _pixel_range(y0, y1, shape[0]), _pixel_range(x0, x1, shape[1])
    down = _linear_weights(np.arange(rows.start, rows.stop), y0, y1, mask.shape[0])
    across = _linear_weights(np.arange(cols.start, cols.stop), x0, x1, mask.shape[1])
    return down @ mask.astype(np.float32) @ across.T, (rows, cols)


def extract_mask(
    probabilities: NDArray[np.floating], box: Sequence[float], origin: Sequence[int]
) -> NDArray[np.float16]:
    """Sample the soft mask of a box, float16 ``(28, 28)``: the inverse of `paste`.

    `origin` is the row and column of the image at which `probabilities` ``(Y, X)`` start.
    """
    from scipy.ndimage import map_coordinates

    x0, y0, x1, y1 = box
    centres = (np.arange(MASK_SIZE) + 0.5) / MASK_SIZE
    rows = y0 + centres * (y1 - y0) - 0.5 - origin[0]
    cols = x0 + centres * (x1 - x0) - 0.5 - origin[1]
    grid = np.meshgrid(rows, cols, indexing="ij")
    sampled = map_coordinates(probabilities.astype(np.float32), grid, order=1, mode="nearest")
    return sampled.astype(np.float16)


def _pixel_range(start: float, stop: float, length: int) -> slice:
    """Pixels whose centres lie in an interval, at least one."""
    first = min(max(int(np.ceil(start - 0.5)), 0), length - 1)
    return slice(first, min(max(int(np.ceil(stop - 0.5)), first + 1), length))


def _linear_weights(
    pixels: NDArray[np.int_], start: float, stop: float, count: int
) -> NDArray[np.float32]:
    """Weights ``(pixels, count)`` of linear interpolation; edge values are repeated outside."""
    place = (pixels + 0.5 - start) / max(stop - start, 1e-6) * count - 0.5
    place = place.clip(0, count - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count))).astype(np.float32)
