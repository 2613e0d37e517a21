"""Filter bank of the pixel classifier: features of each pixel at several scales.

Blurring multiplies each axis by a Gaussian matrix with mirrored borders. This is faster than a
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
SMALLEST_SCALE = 0.5  # there is detail in single pixels
SMALLEST_SIGMA = 0.25  # a shorter Gaussian hardly changes a pixel


def scales(config: FeatureConfig) -> list[float]:
    """Sigmas along the finest axis, doubling up to the largest scale."""
    scale = SMALLEST_SCALE if config.smallest_scale is None else config.smallest_scale
    if scale > config.largest_scale:
        raise ValueError(
            f"FeatureConfig.smallest_scale is {scale} and largest_scale {config.largest_scale}; "
            "the smallest must not be larger than the largest."
        )
    sigmas = []
    while scale < 0.99 * config.largest_scale:
        sigmas.append(scale)
        scale *= 2
    return [*sigmas, config.largest_scale]


def feature_radii(config: FeatureConfig, channels: int, ndim: int) -> list[float]:
    """Receptive radius of each feature in pixels: its sigma, or 1 for a pixel of the window."""
    per_scale = channels * (config.intensity + config.edges + ndim * config.texture)
    filters = [scale for scale in scales(config) for _ in range(per_scale)] if per_scale else []
    return filters + [1.0] * (channels * config.window**ndim)


def filter_bank(image: Tensor, config: FeatureConfig, spacing: Sequence[float]) -> Tensor:
    """Compute features ``(F, *spatial)`` of a float32 image ``(C, *spatial)``.

    Order: for each scale the intensity, edges and texture of each channel; then the window.
    Sigmas and derivatives are in world units, scaled to the finest axis.
    """
    groups = []
    if config.intensity or config.edges or config.texture:
        relative = [length / min(spacing) for length in spacing]
        for scale in scales(config):
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
    slopes = [derivative(blurred, axis - ndim, step) for axis, step in enumerate(relative)]
    if config.edges:
        groups.append(reduce(torch.hypot, slopes).abs())
    if config.texture:
        second = [
            derivative(slopes[a], b - ndim, relative[b])
            for a, b in combinations_with_replacement(range(ndim), 2)
        ]
        groups += eigenvalues(second)
    return groups


def gaussian(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Blur with these sigmas in pixels, mirrored at the borders; tiny sigmas change nothing."""
    for axis, sigma in enumerate(sigmas, -len(sigmas)):
        length = image.shape[axis]
        if length > 1 and sigma >= SMALLEST_SIGMA:
            matrix = torch.from_numpy(_matrix(length, sigma)).to(image.device)
            image = _apply_along(image, matrix, axis)
    return image


def _apply_along(image: Tensor, matrix: Tensor, axis: int) -> Tensor:
    if axis == -1:
        return image @ matrix.T
    front, behind = image.shape[:axis], image.shape[axis + 1 :]
    return (matrix @ image.reshape(*front, len(matrix), -1)).reshape(*front, -1, *behind)


@lru_cache(64)
def _matrix(length: int, sigma: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Row i holds the weight of each pixel of a mirrored axis in the blurred pixel i."""
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    rows = np.arange(length)[:, None]
    columns = mirrored_indices(-radius, length + radius, length)[rows + np.arange(len(weights))]
    matrix = np.bincount(
        (rows * length + columns).ravel(), np.tile(weights / weights.sum(), length), length**2
    )
    return matrix.reshape(length, length).astype(np.float32)


def derivative(image: Tensor, axis: int, step: float) -> Tensor:
    """Derivative along an axis by central differences, one-sided at the borders."""
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


def eigenvalues(second: Sequence[Tensor]) -> list[Tensor]:
    """Eigenvalues, largest first, of symmetric matrices given by their upper triangles."""
    if len(second) == 3:
        return _eigenvalues_2d(*second)
    return _eigenvalues_3d(*second)


def _eigenvalues_2d(a: Tensor, b: Tensor, c: Tensor) -> list[Tensor]:
    middle = (a + c).mul_(0.5)
    half = torch.hypot((a - c).mul_(0.5), b)
    return [middle + half, middle - half]


def _eigenvalues_3d(
    a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor
) -> list[Tensor]:
    """Trigonometric solution (Smith 1961)."""
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
    """Neighbourhoods ``(C * edge**ndim, *spatial)``, mirrored at the borders."""
    ndim = image.ndim - 1
    for axis in range(1, ndim + 1):
        length = image.shape[axis]
        places = mirrored_indices(-(edge // 2), length + edge // 2, length)
        image = image.index_select(axis, torch.from_numpy(places).to(image.device))
    for axis in range(1, ndim + 1):
        image = image.unfold(axis, edge, 1)
    return image.movedim(tuple(range(-ndim, 0)), tuple(range(1, ndim + 1))).flatten(0, ndim)
