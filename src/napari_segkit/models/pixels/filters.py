"""The filter bank of the pixel classifier: what is seen at a pixel, over several scales.

A Gaussian along one axis is a matrix, mirrored at the axis's ends; that is faster than a
convolution for wide Gaussians, exact for short axes, and the same on every device.
"""

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import combinations_with_replacement
from math import pi

import numpy as np
import torch
from torch import Tensor

from napari_segkit.config import FeatureConfig
from napari_segkit.tiling import mirrored_indices

TRUNCATE = 4.0  # sigmas on each side
SMALLEST = {2: 1.0, 3: 0.5}  # by measurement: small volumes have their detail in single voxels
LEAST = 0.25  # a shorter Gaussian hardly changes a pixel


def scales(config: FeatureConfig, ndim: int) -> list[float]:
    """Sigmas along the finest axis: each twice the one before, the last as given.

    Parameters
    ----------
    config : FeatureConfig
        Its smallest and largest scale.
    ndim : int
        Spatial dimensions.

    Raises
    ------
    ValueError
        If the smallest is larger than the largest.
    """
    scale = SMALLEST[ndim] if config.smallest_scale is None else config.smallest_scale
    if scale > config.largest_scale:
        raise ValueError(
            f"FeatureConfig.smallest_scale is {scale} and largest_scale {config.largest_scale}; "
            "the smallest must not be larger than the largest."
        )
    found = []
    while scale < 0.99 * config.largest_scale:
        found.append(scale)
        scale *= 2
    return [*found, config.largest_scale]


def reaches(config: FeatureConfig, channels: int, ndim: int) -> list[float]:
    """How far each feature of `filter_bank` sees: its sigma, or 1 for a pixel of the window.

    Parameters
    ----------
    config : FeatureConfig
        What is seen.
    channels : int
        Channels of the images.
    ndim : int
        Spatial dimensions.
    """
    each = channels * (config.intensity + config.edges + ndim * config.texture)
    filters = [scale for scale in scales(config, ndim) for _ in range(each)] if each else []
    return filters + [1.0] * (channels * config.window**ndim)


def count(config: FeatureConfig, channels: int, ndim: int) -> int:
    """How many features `filter_bank` gives.

    Parameters
    ----------
    config : FeatureConfig
        What is seen.
    channels : int
        Channels of the images.
    ndim : int
        Spatial dimensions.
    """
    return len(reaches(config, channels, ndim))


def filter_bank(image: Tensor, config: FeatureConfig, spacing: Sequence[float]) -> Tensor:
    """All features of an image.

    Parameters
    ----------
    image : Tensor
        float32 ``(C, *spatial)``.
    config : FeatureConfig
        Groups, scales and window.
    spacing : sequence of float
        World units between pixels along each spatial axis: sigmas are shorter and derivatives
        smaller along coarse ones.

    Returns
    -------
    Tensor
        float32 ``(F, *spatial)``: scale by scale intensity, edges, texture of each channel, then
        the window.
    """
    groups = []
    if config.intensity or config.edges or config.texture:
        relative = [length / min(spacing) for length in spacing]
        for scale in scales(config, len(spacing)):
            groups += _at_scale(image, config, scale, relative)
    if config.window:
        groups.append(window(image, config.window))
    return torch.cat(groups) if groups else image[:0]


def _at_scale(
    image: Tensor, config: FeatureConfig, scale: float, relative: Sequence[float]
) -> list[Tensor]:
    blurred = gaussian(image, [scale / step for step in relative])
    groups = [blurred] if config.intensity else []
    if not (config.edges or config.texture):
        return groups
    ndim = len(relative)
    slopes = [slope(blurred, axis - ndim, step) for axis, step in enumerate(relative)]
    if config.edges:
        groups.append(reduce(torch.hypot, slopes).abs())
    if config.texture:
        bends = [
            slope(slopes[a], b - ndim, relative[b])
            for a, b in combinations_with_replacement(range(ndim), 2)
        ]
        groups += eigenvalues(bends)
    return groups


def gaussian(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Blur an image, mirrored at its ends; an axis is left alone where its sigma is tiny.

    Parameters
    ----------
    image : Tensor
        ``(..., *spatial)``.
    sigmas : sequence of float
        In pixels, along each spatial axis.
    """
    for axis, sigma in enumerate(sigmas, -len(sigmas)):
        length = image.shape[axis]
        if length > 1 and sigma >= LEAST:
            matrix = torch.from_numpy(_matrix(length, sigma)).to(image.device)
            image = _along(image, matrix, axis)
    return image


def _along(image: Tensor, matrix: Tensor, axis: int) -> Tensor:
    if axis == -1:
        return image @ matrix.T
    front, behind = image.shape[:axis], image.shape[axis + 1 :]
    return (matrix @ image.reshape(*front, len(matrix), -1)).reshape(*front, -1, *behind)


@lru_cache(64)
def _matrix(length: int, sigma: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Row i holds what each pixel of a mirrored axis adds to the blurred pixel i."""
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    rows = np.arange(length)[:, None]
    columns = mirrored_indices(-radius, length + radius, length)[rows + np.arange(len(weights))]
    matrix = np.bincount(
        (rows * length + columns).ravel(), np.tile(weights / weights.sum(), length), length**2
    )
    return matrix.reshape(length, length).astype(np.float32)


def slope(image: Tensor, axis: int, step: float) -> Tensor:
    """Derivative along an axis by central differences, one-sided at its ends.

    Parameters
    ----------
    image : Tensor
        Of any shape.
    axis : int
        Which.
    step : float
        Distance between its pixels.
    """
    length = image.shape[axis]
    if length == 1:
        return torch.zeros_like(image)
    result = torch.empty_like(image)
    after, before = image.narrow(axis, 1, length - 1), image.narrow(axis, 0, length - 1)
    if length > 2:
        inner = result.narrow(axis, 1, length - 2)
        torch.sub(after.narrow(axis, 1, length - 2), before.narrow(axis, 0, length - 2), out=inner)
        inner *= 0.5 / step
    for place in (0, length - 1):
        end = min(place, length - 2)
        difference = after.narrow(axis, end, 1) - before.narrow(axis, end, 1)
        result.narrow(axis, place, 1).copy_(difference / step)
    return result


def eigenvalues(bends: Sequence[Tensor]) -> list[Tensor]:
    """Eigenvalues of symmetric matrices of two or three rows, the largest first.

    Parameters
    ----------
    bends : sequence of Tensor
        The upper triangle, row by row: three entries or six, each of the same shape.
    """
    if len(bends) == 3:
        return _two(*bends)
    return _three(*bends)


def _two(a: Tensor, b: Tensor, c: Tensor) -> list[Tensor]:
    middle = (a + c).mul_(0.5)
    half = torch.hypot((a - c).mul_(0.5), b)
    return [middle + half, middle - half]


def _three(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> list[Tensor]:
    """By the cosine of a third of an angle (Smith 1961)."""
    middle = (a + d + f) / 3
    a, d, f = a - middle, d - middle, f - middle
    off = b * b + c * c + e * e
    width = ((a * a + d * d + f * f + 2 * off) / 6).sqrt_().clamp_min_(1e-12)
    determinant = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
    ratio = (determinant / width / width / width).mul_(0.5).clamp_(-1, 1)
    angle = ratio.acos_().div_(3)
    first = 2 * width * angle.cos()
    third = 2 * width * (angle + 2 * pi / 3).cos_()
    return [middle + first, middle - first - third, middle + third]


def window(image: Tensor, edge: int) -> Tensor:
    """The raw pixels around each pixel, mirrored past the image's ends.

    Parameters
    ----------
    image : Tensor
        ``(C, *spatial)``.
    edge : int
        Of the square or cube, an odd number.

    Returns
    -------
    Tensor
        ``(C * edge**ndim, *spatial)``: for each channel the pixels in reading order.
    """
    ndim = image.ndim - 1
    for axis in range(1, ndim + 1):
        length = image.shape[axis]
        places = mirrored_indices(-(edge // 2), length + edge // 2, length)
        image = image.index_select(axis, torch.from_numpy(places).to(image.device))
    for axis in range(1, ndim + 1):
        image = image.unfold(axis, edge, 1)
    return image.movedim(tuple(range(-ndim, 0)), tuple(range(1, ndim + 1))).flatten(0, ndim)
