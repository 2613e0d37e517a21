"""Resampling of images and labels to another pixel size."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from .array_cache import ArrayCache, CachedArray
from .axes_image import SPATIAL, AxesImage
from .resize import resized
from .types import AnyArray, LazyArray
from .units import UNKNOWN_SPACING, Spacing

MAX_PIXELS = 2**31  # of a resampled image
MAX_ENLARGEMENT = 10  # of Y and X by resampling
MIN_LENGTH = 8  # of Y and X after resampling, unless they were shorter before
SPACING_TOLERANCE = 0.01  # relative difference up to which voxel sizes count as equal


def resample_pairs(
    images: Sequence[AxesImage],
    values: Sequence[LazyArray],
    size: float | None,
    ndim: int,
    *,
    unlabelled: int | None,
    resize: tuple[int, int] | None = None,
    cache: ArrayCache,
) -> tuple[list[AxesImage], list[LazyArray]]:
    """Images and labels with pixels of edge `size` in world units; None keeps equal spacings.

    With `resize` they have this height and width, and pixels of no known size. They are resampled
    when they are read. If a labelled and an unlabelled pixel fall into one new pixel, it is
    labelled.
    """
    if resize is not None:
        resampled = [replace(resized(i, resize), spacing=UNKNOWN_SPACING, unit="") for i in images]
    elif size is None:
        _require_equal_spacing(images, ndim)
        return list(images), list(values)
    else:
        resampled = [_resampled_later(image, size, ndim, cache) for image in images]
    return resampled, [
        CachedArray(
            image.label_shape,
            v.dtype,
            partial(resize_labels, v, image.label_shape, unlabelled),
            cache,
            f"The labels of {image.name}",
        )
        for v, image in zip(values, resampled, strict=True)
    ]


def _resampled_later(image: AxesImage, size: float, ndim: int, cache: ArrayCache) -> AxesImage:
    template = resampled_template(image, size, ndim)

    def make() -> AnyArray:
        return np.asarray(resample(image, size, ndim).data)

    data = CachedArray(template.shape, np.dtype(np.float32), make, cache, image.name)
    return replace(template, data=data)


def resample(image: AxesImage, size: float | Spacing, ndim: int) -> AxesImage:
    """Image with pixels of `size` in world units, linear, float32; `ndim` 2 keeps Z.

    One number is the edge along every axis; three are those along Z, Y and X.
    """
    template = resampled_template(image, size, ndim)
    pixels = image.pixels((slice(None),) * len(image.axes)).astype(np.float32, copy=False)
    return replace(template, data=resize_linear(pixels, template.shape))


def resampled_template(image: AxesImage, size: float | Spacing, ndim: int) -> AxesImage:
    """Result of `resample` without its pixels; nothing is read."""
    spatial = SPATIAL[-ndim:]
    old = dict(zip(SPATIAL, image.spacing, strict=True))
    sizes = size if isinstance(size, tuple) else (size,) * 3
    new = old | {a: s for a, s in zip(SPATIAL, sizes, strict=True) if a in spatial}
    shape = [
        max(1, round(n * old[a] / new[a])) if a in spatial else n
        for a, n in zip(image.axes, image.shape, strict=True)
    ]
    _require_reasonable_shape(image, size, shape)
    z, y, x = (new[a] for a in SPATIAL)
    return replace(image, data=np.broadcast_to(np.float32(0), shape), spacing=(z, y, x))


def resize_linear(pixels: AnyArray, shape: Sequence[int]) -> NDArray[np.float32]:
    """Resize a float32 array to `shape` by linear interpolation."""
    if pixels.shape == tuple(shape):
        return pixels
    from skimage import transform

    resized: AnyArray = transform.resize(  # type: ignore[no-untyped-call]
        pixels, shape, order=1, mode="reflect", preserve_range=True
    )
    return resized.astype(np.float32)


def resize_nearest(values: AnyArray, shape: Sequence[int]) -> AnyArray:
    """Resize label values by nearest neighbour."""
    from skimage import transform

    resized: AnyArray = transform.resize(  # type: ignore[no-untyped-call]
        values, shape, order=0, preserve_range=True, anti_aliasing=False
    )
    return resized.astype(values.dtype)


def resize_labels(labels: LazyArray, shape: Sequence[int], unlabelled: int | None) -> AnyArray:
    """Resize labels by nearest neighbour, without losing strokes thinner than a new pixel."""
    values = np.asarray(labels)
    resized = resize_nearest(values, shape)
    if unlabelled is not None:
        old = np.nonzero(values != unlabelled)
        scale = np.divide(shape, values.shape)
        new = tuple(((p + 0.5) * s).astype(np.intp) for p, s in zip(old, scale, strict=True))
        free = resized[new] == unlabelled
        resized[tuple(n[free] for n in new)] = values[old][free]
    return resized


def resize_marks(marks: AnyArray, shape: Sequence[int], unmarked: int = 0) -> AnyArray:
    """Resize marks of pixels, such as a mask, without losing any but those of `unmarked`."""
    if marks.shape == tuple(shape):
        return marks
    resized = resize_labels(marks.astype(np.int16), shape, unmarked)
    return resized.astype(marks.dtype)


def _require_reasonable_shape(
    image: AxesImage, size: float | Spacing, shape: Sequence[int]
) -> None:
    old = dict(zip(image.axes, image.shape, strict=True))
    new = dict(zip(image.axes, shape, strict=True))
    is_huge = prod(shape) > MAX_PIXELS or min(new[a] / old[a] for a in "YX") > MAX_ENLARGEMENT
    if is_huge or any(new[a] < min(old[a], MIN_LENGTH) for a in "YX"):
        is_edge = not isinstance(size, tuple)
        what = f"voxel_size={size:g}" if is_edge else "PredictConfig.resample"
        advice = "give the edge of a voxel in world units" if is_edge else "check its pixel size"
        raise ValueError(
            f"{what} would resample {image.name} from shape {image.shape} to "
            f"{tuple(shape)}: {advice}; the image's voxels are "
            f"{format_spacing(image.spacing, image.unit)} (Z x Y x X)."
        )


def _require_equal_spacing(images: Sequence[AxesImage], ndim: int) -> None:
    spacings = [image.spacing[-ndim:] for image in images]
    volumes = ndim == 3 or any("Z" in image.axes for image in images)
    equal = [np.allclose(s, spacings[0], rtol=SPACING_TOLERANCE) for s in spacings]
    if volumes and not all(equal):
        other = equal.index(False)
        sizes = [format_spacing(s, i.unit) for s, i in zip(spacings, images, strict=True)]
        raise ValueError(
            f"{images[0].name} has voxels of {sizes[0]} and {images[other].name} of "
            f"{sizes[other]} (Z x Y x X), but all images of a training need one size: set "
            "voxel_size to resample them, or leave out those that differ."
        )


def format_spacing(spacing: Sequence[float], unit: str) -> str:
    """Spacing as a message tells it, such as "2 x 0.5 x 0.5 um"."""
    return f"{' x '.join(f'{s:g}' for s in spacing)} {unit}".rstrip()
