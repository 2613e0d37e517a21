"""The methods that cut superpixels, all from scikit-image; sizes mean the same in all of them.

Each takes scaled intensities ``(C, *spatial)`` of square pixels, the width of a superpixel in
pixels, and the compactness, and gives labels from 1. The numbers in them were chosen on
photographs, stained tissue, fluorescence, phase contrast, brightfield and electron microscopy:
superpixels are about as wide as asked, and the compactness that is best for slic is a good one for
the others.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import segmentation

from .connected_regions import SMALL

Floats = NDArray[np.float32]


def _slic(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    spread = float(np.ptp(pixels)) or 1.0  # slic divides by it, tile by tile: undone here
    return segmentation.slic(
        pixels,
        n_segments=max(1, round(np.prod([max(1, n / size) for n in pixels.shape[1:]]))),
        compactness=compactness / spread,
        convert2lab=False,
        enforce_connectivity=False,
        channel_axis=0,
    )


def _watershed(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    """Flood the steepness from a grid of seeds."""
    steepness = np.sqrt(sum(ndimage.gaussian_gradient_magnitude(c, 1.0) ** 2 for c in pixels))
    counts = [max(1, round(n / size)) for n in steepness.shape]
    seeds = np.zeros(steepness.shape, np.int32)
    places = [middles(k, n) for k, n in zip(counts, seeds.shape, strict=True)]
    seeds[np.ix_(*places)] = np.arange(1, np.prod(counts) + 1).reshape(counts)
    return segmentation.watershed(  # type: ignore[no-untyped-call]
        steepness, seeds, compactness=0.3 * compactness / size
    )


def _felzenszwalb(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    least = max(1, round(SMALL * size**2))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got image with third dimension")  # many channels
        found: NDArray[Any] = segmentation.felzenszwalb(
            pixels, scale=13 * compactness * size, min_size=least, channel_axis=0
        )
    return found + 1


def _quickshift(pixels: Floats, size: float, compactness: float) -> NDArray[Any]:
    found: NDArray[Any] = segmentation.quickshift(  # type: ignore[no-untyped-call]
        pixels,
        ratio=0.5 * size / compactness,
        kernel_size=max(1.0, 0.2 * size),
        max_dist=0.4 * size,
        convert2lab=False,
        channel_axis=0,
    )
    return found + 1


CUTTERS: dict[str, Callable[[Floats, float, float], NDArray[Any]]] = {
    "slic": _slic,
    "watershed": _watershed,
    "felzenszwalb": _felzenszwalb,
    "quickshift": _quickshift,
}


def middles(count: int, length: int) -> NDArray[np.intp]:
    """The middles of so many even parts of a length, rounded."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)
