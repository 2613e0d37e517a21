"""Smooth by superpixel voting: every pixel gets the mean probabilities of its superpixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import SuperpixelConfig
from napari_segkit.refinement.blocks import BlockSmoother

from .generate import check_method, segment_tile


def uses_image(config: SuperpixelConfig) -> bool:
    return True


def halo(config: SuperpixelConfig, spacing: Sequence[float]) -> list[int]:
    """No margin: blocks are the tiles of `superpixels`, where superpixels end."""
    return [0] * len(spacing)


def make_smoother(
    config: SuperpixelConfig, classes: int, spacing: Sequence[float], device: str
) -> BlockSmoother:
    """Make a function that smooths one tile, always on the CPU."""
    check_method(config, spacing)

    def run(
        probabilities: NDArray[np.float32],
        intensities: NDArray[np.float32] | None,
        start: Sequence[int],
    ) -> NDArray[np.float32]:
        assert intensities is not None
        return region_means(segment_tile(intensities, config, spacing), probabilities)

    return run


def region_means(
    labels: NDArray[np.int32], probabilities: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Replace ``(classes, *labels.shape)`` probabilities by their mean over each region 1 to n."""
    flat = labels.ravel()
    sizes = np.bincount(flat).clip(1)
    means = np.stack([np.bincount(flat, p.ravel()) / sizes for p in probabilities])
    return means.astype(np.float32)[:, labels]
