"""Superpixels as a vote: all pixels of one get the mean of its probabilities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import SuperpixelConfig
from napari_segkit.refinement.blocks import Smooth

from .generate import cut, require_possible


def sees_image(config: SuperpixelConfig) -> bool:
    """Whether the image counts: superpixels are cut from it."""
    return True


def halo(config: SuperpixelConfig, spacing: Sequence[float]) -> list[int]:
    """No margin: blocks are the tiles of `superpixels`, where superpixels end."""
    return [0] * len(spacing)


def smoother(
    config: SuperpixelConfig, classes: int, spacing: Sequence[float], device: str
) -> Smooth:
    """What smooths one tile: the mean over each superpixel that `superpixels` cuts there.

    Parameters
    ----------
    config : SuperpixelConfig
        How the image is cut.
    classes : int
        Number of classes.
    spacing : sequence of float
        World units between pixels along each axis.
    device : str
        Of no account: superpixels are cut on the CPU.

    Returns
    -------
    callable
        From probabilities ``(classes, *spatial)``, scaled intensities ``(C, *spatial)`` and the
        place of the tile in its image, which is of no account here, to probabilities.

    Raises
    ------
    ValueError
        If the method cannot cut this image.
    """
    require_possible(config, spacing)

    def run(
        probabilities: NDArray[np.float32], pixels: NDArray[np.float32] | None, start: Sequence[int]
    ) -> NDArray[np.float32]:
        assert pixels is not None
        return mean_over(cut(pixels, config, spacing), probabilities)

    return run


def mean_over(labels: NDArray[np.int32], probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of probabilities over each region.

    Parameters
    ----------
    labels : ndarray
        Regions, numbered from 1, without gaps.
    probabilities : ndarray
        ``(classes, *labels.shape)``.
    """
    flat = labels.ravel()
    sizes = np.bincount(flat).clip(1)
    means = np.stack([np.bincount(flat, p.ravel()) / sizes for p in probabilities])
    return means.astype(np.float32)[:, labels]
