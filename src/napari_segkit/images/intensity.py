"""One scale for all intensities: numbers measured once per image, never per tile."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axes_image import AxesImage

PERCENTILES = (1.0, 99.0)
BLOCK_LENGTH = 256
MAX_BLOCKS = 64
MAX_FULL_READ = 2**26


@dataclass(frozen=True)
class Statistics:
    """The numbers that bring an image's channels to one scale.

    Parameters
    ----------
    low, high : tuple of float
        Per channel, the intensities that become 0 and 1.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Scale pixels of shape ``(C, *spatial)`` to float32, `low` to 0 and `high` to 1."""
        shape = (-1, *(1,) * (pixels.ndim - 1))
        low = np.asarray(self.low, np.float64).reshape(shape)
        high = np.asarray(self.high, np.float64).reshape(shape)
        return ((pixels - low) / (high - low)).astype(np.float32)


def identity_statistics(channels: int) -> Statistics:
    """Statistics that change nothing."""
    return Statistics((0.0,) * channels, (1.0,) * channels)


def dtype_statistics(image: AxesImage) -> Statistics:
    """From black to white: what the type can hold; of floats 1, or 255 where they exceed it.

    Parameters
    ----------
    image : AxesImage
        A photograph.
    """
    if np.issubdtype(image.data.dtype, np.floating):
        white = 255.0 if max(float(b.max()) for b in _sample(image, 2)) > 1 else 1.0
    else:
        white = 1.0 if image.data.dtype == bool else float(np.iinfo(image.data.dtype).max)
    return Statistics((0.0,) * image.channels, (white,) * image.channels)


def measure_statistics(
    images: Iterable[AxesImage], ndim: int, *, nonzero: bool = False, allow_constant: bool = False
) -> Statistics:
    """Robust range of each channel: its 1st and 99th percentile.

    Parameters
    ----------
    images : iterable of AxesImage
        All pixels of all of them count together. Arrays in memory are read whole up to
        64 million values; larger ones, dask and zarr by a fixed sample of blocks.
    ndim : int
        Spatial dimensions of the model, 2 or 3.
    nonzero : bool
        Leave out pixels that are exactly zero (the air around a head in MRI).
    allow_constant : bool
        Take images without contrast, too: all of their pixels become 0.

    Returns
    -------
    Statistics
        One pair of numbers per channel.

    Raises
    ------
    ValueError
        If a pixel is NaN or infinite, or every channel is constant and `allow_constant` is not set.
    """
    images = list(images)
    blocks = [b.reshape(b.shape[0], -1) for image in images for b in _sample(image, ndim)]
    ranges = [
        _range(np.concatenate([b[c] for b in blocks]), nonzero) for c in range(len(blocks[0]))
    ]
    if not allow_constant and all(low == high for low, high in ranges):
        names = ", ".join(dict.fromkeys(i.name for i in images))
        raise ValueError(
            f"{names} is constant (every pixel is {ranges[0][0]:g}), so there is nothing to learn "
            "from or to predict on: choose an image with contrast."
        )
    return Statistics(
        tuple(low for low, _ in ranges),
        tuple(high if high > low else low + 1 for low, high in ranges),
    )


def has_zero_background(images: Iterable[AxesImage], ndim: int) -> bool:
    """Whether a fifth or more of the pixels are exactly zero: air, padding, a mask."""
    blocks = [b for image in images for b in _sample(image, ndim)]
    zeros = sum(int((b == 0).all(axis=0).sum()) for b in blocks)
    return zeros >= 0.2 * sum(b[0].size for b in blocks)


def require_finite_image(image: AxesImage) -> None:
    """Raise ValueError where an image in memory has a pixel that is NaN or infinite.

    Images on disk are checked region by region as they are read.
    """
    if isinstance(image.data, np.ndarray) and not isinstance(image.data, np.memmap):
        require_finite(image.data, image.name)


def require_finite(pixels: NDArray[Any], name: str) -> None:
    """Raise ValueError where a pixel is NaN or infinite."""
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        wrong = int(pixels.size - np.isfinite(pixels).sum())
        raise ValueError(
            f"{name} has {wrong} NaN or infinite pixels; replace them first, "
            "for instance with numpy.nan_to_num(image)."
        )


def _range(values: NDArray[Any], nonzero: bool) -> tuple[float, float]:
    kept = values[values != 0] if nonzero else values
    low, high = np.percentile(kept if kept.size else values, PERCENTILES)
    if low == high:  # few bright pixels on a flat background: the percentiles miss them
        low, high = values.min(), values.max()
    return float(low), float(high)


def _sample(image: AxesImage, ndim: int) -> Iterator[NDArray[Any]]:
    """Pixels that stand for the image: all of them, or blocks at fixed places."""
    for frame, region in _sample_regions(image, ndim):
        pixels = image.read(frame, region)
        require_finite(pixels, image.name)
        yield pixels


def _sample_regions(image: AxesImage, ndim: int) -> list[tuple[dict[str, int], tuple[slice, ...]]]:
    shape, frames = image.spatial_shape(ndim), list(image.frames(ndim))
    if isinstance(image.data, np.ndarray) and image.data.size <= MAX_FULL_READ:
        return [(frame, tuple(slice(0, n) for n in shape)) for frame in frames]
    corners = list(
        product(*(range(0, n, BLOCK_LENGTH if i >= ndim - 2 else 1) for i, n in enumerate(shape)))
    )
    total = len(frames) * len(corners)
    picked = np.unique(np.linspace(0, total - 1, min(total, MAX_BLOCKS)).round().astype(int))
    places = [(frames[p // len(corners)], corners[p % len(corners)]) for p in picked]
    return [
        (
            frame,
            tuple(
                slice(c, c + (BLOCK_LENGTH if i >= ndim - 2 else 1)) for i, c in enumerate(corner)
            ),
        )
        for frame, corner in places
    ]
