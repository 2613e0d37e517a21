"""Images on another grid: pixels of another size, and back."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import transform

from .axes_image import SPATIAL, AxesImage

MAX_PIXELS = 2**31  # pixels of a resampled image
MIN_LENGTH = 8  # along Y and X, where the image has so many
SPACING_TOLERANCE = 0.01  # share by which voxel sizes may differ and count as the same


def resample_pairs(
    images: Sequence[AxesImage],
    values: Sequence[NDArray[Any]],
    size: float | None,
    ndim: int,
    *,
    unlabelled: int | None,
) -> tuple[list[AxesImage], list[NDArray[Any]]]:
    """Images and labels with pixels of one size.

    Parameters
    ----------
    images : sequence of AxesImage
        Of any voxel sizes.
    values : sequence of ndarray
        Label values, in the shapes of the images without channels.
    size : float or None
        The edge that pixels get along the spatial axes, in world units. None: nothing changes.
    ndim : int
        Spatial dimensions of the model.
    unlabelled : int or None
        A labelled pixel wins over this value where both fall into one new pixel.

    Returns
    -------
    tuple of list
        Images and label values.

    Raises
    ------
    ValueError
        If volumes with voxels of several sizes are given and no size is; if the size would leave
        little of an image, or blow it up beyond reason.
    """
    if size is None:
        _require_equal_spacing(images, ndim)
        return list(images), list(values)
    resampled = [resample(image, size, ndim) for image in images]
    pairs = zip(values, resampled, strict=True)
    return resampled, [_resize_labels(v, i.label_shape, unlabelled) for v, i in pairs]


def resample(image: AxesImage, size: float, ndim: int) -> AxesImage:
    """The same image with pixels of another size, blended linearly.

    Parameters
    ----------
    image : AxesImage
        Read as a whole.
    size : float
        Edge of the new pixels along the spatial axes, in world units.
    ndim : int
        Spatial dimensions: 2 leaves Z as it is.

    Returns
    -------
    AxesImage
        float32, its `spacing` the new one.

    Raises
    ------
    ValueError
        If little would be left of it, or it would grow beyond reason.
    """
    empty = resampled_template(image, size, ndim)
    return replace(empty, data=resize_linear(np.asarray(image.data, np.float32), empty.shape))


def resampled_template(image: AxesImage, size: float, ndim: int) -> AxesImage:
    """The image that `resample` would make, without its pixels.

    Parameters
    ----------
    image, size, ndim
        As in `resample`; nothing of the image is read.
    """
    spatial = SPATIAL[-ndim:]
    spacing = dict(zip(SPATIAL, image.spacing, strict=True))
    shape = [
        max(1, round(n * spacing[a] / size)) if a in spatial else n
        for a, n in zip(image.axes, image.shape, strict=True)
    ]
    _require_reasonable_shape(image, size, shape)
    z, y, x = (size if a in spatial else spacing[a] for a in SPATIAL)
    return replace(image, data=np.broadcast_to(np.float32(0), shape), spacing=(z, y, x))


def resize_linear(pixels: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """Stretch or shrink an array to a shape, blending linearly.

    Parameters
    ----------
    pixels : ndarray of float32
        Any number of dimensions.
    shape : sequence of int
        As many lengths.

    Returns
    -------
    ndarray
        float32 of that shape; the same array where it has it already.
    """
    if pixels.shape == tuple(shape):
        return pixels
    blended: NDArray[Any] = transform.resize(  # type: ignore[no-untyped-call]
        pixels, shape, order=1, mode="reflect", preserve_range=True
    )
    return blended.astype(np.float32)


def _resize_labels(
    values: NDArray[Any], shape: Sequence[int], unlabelled: int | None
) -> NDArray[Any]:
    """The nearest label; strokes thinner than a new pixel are not lost between two."""
    fitted: NDArray[Any] = transform.resize(  # type: ignore[no-untyped-call]
        values, shape, order=0, preserve_range=True, anti_aliasing=False
    ).astype(values.dtype)
    if unlabelled is not None:
        places = np.nonzero(values != unlabelled)
        scale = np.divide(shape, values.shape)
        new = tuple(((p + 0.5) * s).astype(np.intp) for p, s in zip(places, scale, strict=True))
        free = fitted[new] == unlabelled
        fitted[tuple(n[free] for n in new)] = values[places][free]
    return fitted


def _require_reasonable_shape(image: AxesImage, size: float, shape: Sequence[int]) -> None:
    old, new = (
        dict(zip(image.axes, image.shape, strict=True)),
        dict(zip(image.axes, shape, strict=True)),
    )
    if prod(shape) > MAX_PIXELS or any(new[a] < min(old[a], MIN_LENGTH) for a in "YX"):
        raise ValueError(
            f"voxel_size is {size:g}, which makes {image.name} of shape {image.shape} into "
            f"{tuple(shape)}: give the edge of a voxel in the image's world units; its own are "
            f"{_format_spacing(image.spacing)} (Z x Y x X)."
        )


def _require_equal_spacing(images: Sequence[AxesImage], ndim: int) -> None:
    sizes = [image.spacing[-ndim:] for image in images]
    volumes = ndim == 3 or any("Z" in image.axes for image in images)
    if volumes and not np.allclose(sizes, sizes[0], rtol=SPACING_TOLERANCE):
        other = next(
            i for i, s in enumerate(sizes) if not np.allclose(s, sizes[0], rtol=SPACING_TOLERANCE)
        )
        raise ValueError(
            f"{images[0].name} has voxels of {_format_spacing(sizes[0])} and {images[other].name} of "
            f"{_format_spacing(sizes[other])} (Z x Y x X): one training needs one size; set "
            "voxel_size to resample them all, or leave out those that differ."
        )


def _format_spacing(size: Sequence[float]) -> str:
    return " x ".join(f"{s:g}" for s in size)
