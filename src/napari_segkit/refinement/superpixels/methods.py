"""Superpixel methods of scikit-image, with a size and a compactness that mean the same in all.

Each takes scaled ``(C, *spatial)`` intensities of square pixels, the width of a superpixel in
pixels and the compactness, and gives labels from 1. The constants were chosen on photographs,
stained tissue, fluorescence, phase contrast, brightfield and electron microscopy: superpixels have
about the requested width, and the compactness that is best for SLIC suits the others.
"""

import warnings
from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import segmentation

from napari_segkit.images.types import AnyArray, Floats
from napari_segkit.refinement.blocks import add_margin, split_into_blocks

from .connected_regions import MIN_SIZE

MAX_FLOOD = 2**17  # pixels of a block of the watershed
MARGIN = 3  # superpixels around it


def _slic(pixels: Floats, size: float, compactness: float) -> AnyArray:
    value_range = float(np.ptp(pixels)) or 1.0  # slic divides by the tile's range: undone here
    return segmentation.slic(
        pixels.astype(np.float64),  # takes a tenth less time than float32
        n_segments=max(1, round(np.prod([max(1, n / size) for n in pixels.shape[1:]]))),
        compactness=compactness / value_range,
        convert2lab=False,
        enforce_connectivity=False,
        channel_axis=0,
    )


def _watershed(pixels: Floats, size: float, compactness: float) -> AnyArray:
    """Compact watershed of the gradient magnitude, from a grid of seeds."""
    gradient = np.sqrt(sum(ndimage.gaussian_gradient_magnitude(c, 1.0) ** 2 for c in pixels))
    counts = [max(1, round(n / size)) for n in gradient.shape]
    seeds = np.zeros(gradient.shape, np.int32)
    positions = [interval_centres(k, n) for k, n in zip(counts, seeds.shape, strict=True)]
    seeds[np.ix_(*positions)] = np.arange(1, np.prod(counts) + 1).reshape(counts)
    return _flood(gradient, seeds, 0.3 * compactness / size, size)


def _flood(gradient: Floats, seeds: AnyArray, compactness: float, size: float) -> AnyArray:
    """Watershed block by block: its queue takes longer for each pixel the more pixels it holds.

    A superpixel rarely reaches farther than the margin, so that all but some pixels in ten thousand
    are labelled as they would be in one go.
    """
    labels, margin = np.empty_like(seeds), [ceil(MARGIN * size)] * seeds.ndim
    for block in split_into_blocks(seeds.shape, max(MAX_FLOOD, (16 * size) ** seeds.ndim)):
        outer, inner = add_margin(block, margin, seeds.shape)
        flooded = segmentation.watershed(  # type: ignore[no-untyped-call]
            gradient[outer], seeds[outer], compactness=compactness
        )
        labels[block] = flooded[inner]
    return labels


def _felzenszwalb(pixels: Floats, size: float, compactness: float) -> AnyArray:
    min_pixels = max(1, round(MIN_SIZE * size**2))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got image with third dimension")  # many channels
        labels: AnyArray = segmentation.felzenszwalb(
            pixels, scale=13 * compactness * size, min_size=min_pixels, channel_axis=0
        )
    return labels + 1


def _quickshift(pixels: Floats, size: float, compactness: float) -> AnyArray:
    labels: AnyArray = segmentation.quickshift(  # type: ignore[no-untyped-call]
        pixels,
        ratio=0.5 * size / compactness,
        kernel_size=max(1.0, 0.2 * size),
        max_dist=0.4 * size,
        convert2lab=False,
        channel_axis=0,
    )
    return labels + 1


METHODS: dict[str, Callable[[Floats, float, float], AnyArray]] = {
    "slic": _slic,
    "watershed": _watershed,
    "felzenszwalb": _felzenszwalb,
    "quickshift": _quickshift,
}


def interval_centres(count: int, length: int) -> NDArray[np.intp]:
    """Rounded centres of `count` equal intervals of a length."""
    return ((np.arange(count) + 0.5) * length / count).astype(np.intp)
