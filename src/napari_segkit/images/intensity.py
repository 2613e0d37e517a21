"""Intensity scaling: statistics measured once per image, never per tile."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .axes_image import AxesImage
from .types import AnyArray

PERCENTILES = (1.0, 99.0)
BLOCK_LENGTH = 256  # pixels along Y and X of a sampled block
MAX_BLOCKS = 64
MAX_FULL_READ = 2**26  # pixels of an array in memory that is read in full


@dataclass(frozen=True)
class Statistics:
    """The intensities of each channel that are scaled to 0 and 1."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, pixels: AnyArray) -> NDArray[np.float32]:
        """Scale (C, *spatial) pixels to float32, `low` to 0 and `high` to 1."""
        shape = (-1, *(1,) * (pixels.ndim - 1))
        low = np.asarray(self.low, np.float64).reshape(shape)
        high = np.asarray(self.high, np.float64).reshape(shape)
        return ((pixels - low) / (high - low)).astype(np.float32)


def identity_statistics(channels: int) -> Statistics:
    """Statistics that leave the intensities unchanged."""
    return Statistics((0.0,) * channels, (1.0,) * channels)


def dtype_statistics(image: AxesImage) -> Statistics:
    """0 to the highest value of the dtype; of floats to 1, or to 255 if they exceed 1."""
    if np.issubdtype(image.data.dtype, np.floating):
        white = 255.0 if max(float(b.max()) for b in _sample(image, 2)) > 1 else 1.0
    else:
        white = 1.0 if image.data.dtype == bool else float(np.iinfo(image.data.dtype).max)
    return Statistics((0.0,) * image.channels, (white,) * image.channels)


def measure_statistics(
    images: Iterable[AxesImage], ndim: int, *, nonzero: bool = False, allow_constant: bool = False
) -> Statistics:
    """1st and 99th percentile of each channel over all images.

    Large, dask and zarr arrays are measured on a fixed sample of blocks. `nonzero` leaves out
    pixels that are 0; constant images raise ValueError unless `allow_constant`, NaN always.
    """
    images = list(images)
    blocks = [b.reshape(b.shape[0], -1) for image in images for b in _sample(image, ndim)]
    ranges = [
        _range(np.concatenate([b[c] for b in blocks]), nonzero) for c in range(len(blocks[0]))
    ]
    if not allow_constant and all(low == high for low, high in ranges):
        names = ", ".join(dict.fromkeys(i.name for i in images))
        raise ValueError(
            f"{names} is constant (every pixel is {ranges[0][0]:g}): choose an image with contrast."
        )
    return Statistics(
        tuple(low for low, _ in ranges),
        tuple(high if high > low else low + 1 for low, high in ranges),
    )


def has_zero_background(images: Iterable[AxesImage], ndim: int) -> bool:
    """Whether a fifth or more of the pixels are exactly 0, such as the air around a head."""
    blocks = [b for image in images for b in _sample(image, ndim)]
    zeros = sum(int((b == 0).all(axis=0).sum()) for b in blocks)
    return zeros >= 0.2 * sum(b[0].size for b in blocks)


def require_finite_image(image: AxesImage) -> None:
    """Check an image in memory for NaN; images on disk are checked as they are read."""
    if isinstance(image.data, np.ndarray) and not isinstance(image.data, np.memmap):
        require_finite(image.data, image.name)


def require_finite(pixels: AnyArray, name: str) -> None:
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        wrong = int(pixels.size - np.isfinite(pixels).sum())
        raise ValueError(
            f"{name} has {wrong} NaN or infinite pixels: replace them first, for instance with "
            "numpy.nan_to_num(image)."
        )


def _range(values: AnyArray, nonzero: bool) -> tuple[float, float]:
    kept = values[values != 0] if nonzero else values
    low, high = np.percentile(kept if kept.size else values, PERCENTILES)
    if low == high:  # few bright pixels on a flat background: the percentiles miss them
        low, high = values.min(), values.max()
    return float(low), float(high)


def _sample(image: AxesImage, ndim: int) -> Iterator[AnyArray]:
    """All pixels of a small image in memory, or blocks at fixed places of a larger one."""
    for frame, region in _sample_regions(image, ndim):
        pixels = image.read(frame, region)
        require_finite(pixels, image.name)
        yield pixels


def _sample_regions(image: AxesImage, ndim: int) -> list[tuple[dict[str, int], tuple[slice, ...]]]:
    shape, frames = image.spatial_shape(ndim), list(image.frames(ndim))
    if isinstance(image.data, np.ndarray) and image.data.size <= MAX_FULL_READ:
        return [(frame, tuple(slice(0, n) for n in shape)) for frame in frames]
    block = (1, BLOCK_LENGTH, BLOCK_LENGTH)[-ndim:]
    corners = list(product(*(range(0, n, b) for n, b in zip(shape, block, strict=True))))
    total = len(frames) * len(corners)
    picked = np.unique(np.linspace(0, total - 1, min(total, MAX_BLOCKS)).round().astype(int))
    places = [(frames[p // len(corners)], corners[p % len(corners)]) for p in picked]
    return [
        (frame, tuple(slice(c, c + b) for c, b in zip(corner, block, strict=True)))
        for frame, corner in places
    ]
