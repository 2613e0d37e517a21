"""Intensity scaling: statistics measured once per image, never per tile."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf, isfinite, prod

import numpy as np
from numpy.typing import NDArray

from .array_cache import CachedArray
from .axes_image import AxesImage
from .types import AnyArray

PERCENTILES = (1.0, 99.0)
BLOCK_LENGTH = 256  # pixels along Y and X of a sampled block
MAX_BLOCKS = 64
SCALED_AT_ONCE = 2**15  # values, which fit into the cache of a core
COUNTED_AT_ONCE = 2**20  # pixels, which fit into the caches
MAX_FULL_READ = 2**26  # pixels of an array in memory that is read in full
LARGEST = 1e10  # scaled intensity; networks sum squares in float32, which ends at 3e38


@dataclass(frozen=True)
class Statistics:
    """The intensities of each channel that are scaled to 0 and 1."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def apply(self, pixels: AnyArray) -> NDArray[np.float32]:
        """Scale (C, *spatial) pixels to float32, `low` to 0 and `high` to 1."""
        shape = (-1, *(1,) * (pixels.ndim - 1))
        low = np.asarray(self.low, np.float64).reshape(shape)
        contrast = np.asarray(self.contrast).reshape(shape)
        divisor = np.where(contrast > 0, contrast, 1)
        scaled = np.empty(pixels.shape, np.float32)
        with np.errstate(over="ignore"):  # `extreme_intensity` tells of it
            for rows in _cached_parts(pixels.shape):  # computed in float64
                np.divide(pixels[rows] - low, divisor, out=scaled[rows], casting="unsafe")
        missing = missing_pixels(pixels)
        return scaled if missing is None else np.where(missing, np.float32(0), scaled)

    @property
    def contrast(self) -> tuple[float, ...]:
        """Difference of the two intensities of each channel; 0 if all its pixels are equal."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    @property
    def is_blank(self) -> bool:
        """Whether no channel has any contrast."""
        return not any(self.contrast)


def _cached_parts(shape: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Rows of (C, *spatial) pixels that fit into the caches of a processor."""
    step = max(1, SCALED_AT_ONCE * shape[1] // max(1, prod(shape)))
    return ((slice(None), slice(n, n + step)) for n in range(0, shape[1], step))


def white_of(dtype: np.dtype) -> float:
    """Highest value of integers; 1 for floats and truth values."""
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def missing_pixels(pixels: AnyArray) -> NDArray[np.bool_] | None:
    """Where a channel of (C, *spatial) pixels is NaN or infinite; None if none is."""
    if not np.issubdtype(pixels.dtype, np.floating):
        return None
    missing = np.asarray(np.logical_or.reduce(~np.isfinite(pixels), axis=0))
    return missing if missing.any() else None


def identity_statistics(channels: int) -> Statistics:
    """Statistics that leave the intensities unchanged."""
    return Statistics((0.0,) * channels, (1.0,) * channels)


def dtype_statistics(image: AxesImage) -> Statistics:
    """0 to the highest value of the dtype; of floats to 1, or to 255 if they exceed 1."""
    if np.issubdtype(image.data.dtype, np.floating):
        brightest = (b.max(initial=0, where=np.isfinite(b)) for b in _sample(image, 2))
        white = 255.0 if max(map(float, brightest)) > 1 else 1.0
    else:
        white = white_of(image.data.dtype)
    return Statistics((0.0,) * image.channels, (white,) * image.channels)


def measure_statistics(
    images: Iterable[AxesImage], ndim: int, *, nonzero: bool = False
) -> Statistics:
    """1st and 99th percentile of each channel over all images, without NaN and infinite pixels.

    Large, dask and zarr arrays are measured on a fixed sample of blocks. `nonzero` leaves out
    pixels that are 0.
    """
    blocks = [b.reshape(b.shape[0], -1) for image in images for b in _sample(image, ndim)]
    return _statistics(_joined(blocks), nonzero=nonzero)


@dataclass(frozen=True)
class Intensities:
    """What one reading of an image tells of its intensities."""

    zero_part: float  # of the pixels that are 0 in all channels
    pixels: int
    whole: Statistics
    nonzero: Statistics  # without pixels that are 0
    ranges: tuple[tuple[float, float], ...]  # smallest and largest finite value of each channel
    sample: AnyArray  # (C, pixels) to be measured with those of other images
    has_missing: bool | None  # whether any pixel is NaN or infinite; None if not all were read

    def extreme(self, statistics: Statistics) -> str | None:
        """An intensity that is too large for networks once it is scaled; None if none is."""
        measured = zip(self.ranges, statistics.low, statistics.contrast, strict=True)
        for values, low, contrast in measured:
            for value in values:
                if abs(value - low) > LARGEST * (contrast or 1):
                    return f"{value:.3g}"
        return None

    def of_colours(self) -> "Intensities":
        """Those of a grey image that is taken as red, green and blue."""
        three = [Statistics(s.low * 3, s.high * 3) for s in (self.whole, self.nonzero)]
        sample = np.repeat(self.sample, 3, axis=0)
        return replace(
            self, whole=three[0], nonzero=three[1], ranges=self.ranges * 3, sample=sample
        )


def measure_intensities(image: AxesImage, ndim: int, sampled: int) -> Intensities:
    """Read an image, or blocks of a large one, once; `sampled` is how many pixels are kept."""
    blocks = [b.reshape(b.shape[0], -1) for b in _sample(image, ndim)]
    pixels = _joined(blocks)
    zero = (pixels == 0).all(axis=0)
    whole = _statistics(pixels, nonzero=False)
    is_whole = pixels.shape[1] == np.prod(image.label_shape)
    return Intensities(
        float(zero.mean()),
        pixels.shape[1],
        whole,
        _statistics(pixels, nonzero=True) if zero.any() else whole,
        tuple(map(_finite_range, pixels)),
        pixels[:, :: -(-pixels.shape[1] // sampled)].copy() if sampled else pixels[:, :0].copy(),
        missing_pixels(pixels) is not None if is_whole else None,
    )


def pooled_statistics(images: Sequence[Intensities]) -> Statistics:
    """Statistics over the sampled pixels of all images."""
    return _statistics(np.concatenate([image.sample for image in images], axis=1), nonzero=False)


def mostly_zero(images: Sequence[Intensities]) -> bool:
    """Whether a fifth or more of the pixels are exactly 0, such as the air around a head."""
    zeros = sum(image.zero_part * image.pixels for image in images)
    return zeros >= 0.2 * sum(image.pixels for image in images)


def _joined(blocks: Sequence[AnyArray]) -> AnyArray:
    """Pixels of all blocks (C, pixels); no copy of a single one, which may be large."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)


def _statistics(pixels: AnyArray, *, nonzero: bool) -> Statistics:
    """Statistics of (C, pixels)."""
    ranges = [_range(channel, nonzero) for channel in pixels]
    return Statistics(tuple(low for low, _ in ranges), tuple(high for _, high in ranges))


def require_contrast(statistics: Sequence[Statistics], images: Iterable[AxesImage]) -> None:
    """Refuse images that are all blank."""
    if all(measured.is_blank for measured in statistics):
        names = ", ".join(dict.fromkeys(i.name for i in images))
        raise ValueError(
            f"{names} is constant (every pixel is {statistics[0].low[0]:g} or NaN): choose an "
            "image with contrast."
        )


def note_missing(image: AxesImage, consequence: str) -> None:
    """Warn of NaN and infinite pixels of an image, counted in a sample of it if it is large."""
    if not np.issubdtype(image.data.dtype, np.floating):
        return
    ndim = 3 if image.length("Z") > 1 else 2
    blocks = list(map(missing_pixels, _sample(image, ndim)))
    count = sum(int(missing.sum()) for missing in blocks if missing is not None)
    if count:
        warnings.warn(
            f"{image.name} has {count} NaN or infinite pixels: {consequence}.",
            UserWarning,
            stacklevel=3,
        )


def extreme_intensity(image: AxesImage, ndim: int, statistics: Statistics) -> str | None:
    """Tell of intensities that are too large for networks once they are scaled; None if none is.

    NaN and infinite pixels do not count.
    """
    if np.issubdtype(image.data.dtype, np.integer) and image.data.dtype.itemsize < 8:
        return None
    for block in _sample(image, ndim):
        for values, low, contrast in zip(block, statistics.low, statistics.contrast, strict=True):
            for value in _finite_range(values):
                if abs(value - low) > LARGEST * (contrast or 1):
                    return f"{image.name} has intensities such as {value:.3g}"
    return None


def _finite_range(values: AnyArray) -> tuple[float, float]:
    """Smallest and largest finite value; 0 if there is none."""
    low, high = float(values.min()), float(values.max())
    if isfinite(low) and isfinite(high):
        return low, high
    finite = np.isfinite(values)
    if not finite.any():
        return 0.0, 0.0
    low, high = values.min(where=finite, initial=inf), values.max(where=finite, initial=-inf)
    return float(low), float(high)


def _range(values: AnyArray, nonzero: bool) -> tuple[float, float]:
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        return _range_of_counts(*_counts(values), nonzero)
    finite = values
    if np.issubdtype(values.dtype, np.floating) and not (known := np.isfinite(values)).all():
        finite = values[known]
    if not finite.size:
        return 0.0, 0.0
    kept = finite[finite != 0] if nonzero else finite
    low, high = np.percentile(kept if kept.size else finite, PERCENTILES)
    if low == high:  # few bright pixels on a flat background: the percentiles miss them
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def _counts(values: AnyArray) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The different integers of one or two bytes, in their order, and how often each occurs."""
    if values.dtype == np.uint8:
        return _counts_of_bytes(values)
    lowest, highest = np.iinfo(values.dtype).min, np.iinfo(values.dtype).max
    counts = np.zeros(highest - lowest + 1, np.int_)
    for start in range(0, len(values), COUNTED_AT_ONCE):
        block = values[start : start + COUNTED_AT_ONCE].astype(np.intp) - lowest
        counts += np.bincount(block, minlength=len(counts))
    present = np.flatnonzero(counts)
    return present + lowest, counts[present]


def _counts_of_bytes(values: AnyArray) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """As `_counts`; Pillow counts bytes as they are, which takes a quarter of the time."""
    from PIL import Image

    counts = np.zeros(256, np.int_)
    for start in range(0, len(values), COUNTED_AT_ONCE):
        counts += Image.fromarray(values[None, start : start + COUNTED_AT_ONCE]).histogram()
    present = np.flatnonzero(counts)
    return present, counts[present]


def _range_of_counts(
    values: NDArray[np.int_], counts: NDArray[np.int_], nonzero: bool
) -> tuple[float, float]:
    """What `_range` gives, to the last bit, without sorting pixels."""
    kept = values != 0 if nonzero and (values != 0).any() else np.ones(len(values), bool)
    if not kept.any():
        return 0.0, 0.0
    ends = counts[kept].cumsum()
    places = (ends[-1] - 1) * (np.array(PERCENTILES) / 100)
    before = np.floor(places)
    one, two = [
        values[kept][np.searchsorted(ends, np.minimum(rank, ends[-1] - 1), side="right")]
        for rank in (before, before + 1)
    ]
    part = places - before  # rounded as in np.percentile
    low, high = np.where(part < 0.5, one + (two - one) * part, two - (two - one) * (1 - part))
    if low == high:
        low, high = values[0], values[-1]
    return float(low), float(high)


def _sample(image: AxesImage, ndim: int) -> Iterator[AnyArray]:
    """All pixels of a small image in memory, or blocks at fixed places of a larger one."""
    for frame, region in _sample_regions(image, ndim):
        yield image.read(frame, region)


def _sample_regions(image: AxesImage, ndim: int) -> list[tuple[dict[str, int], tuple[slice, ...]]]:
    shape, frames = image.spatial_shape(ndim), list(image.frames(ndim))
    if isinstance(image.data, np.ndarray | CachedArray) and prod(image.shape) <= MAX_FULL_READ:
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
