"""Fully connected CRF by mean field (Kraehenbuehl and Koltun 2011), on any device."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import CRFConfig
from napari_segkit.devices import choose
from napari_segkit.refinement.blocks import BlockSmoother

from .permutohedral_lattice import BilateralKernel
from .spatial_gaussian import SpatialKernel

HALO = 3  # sigmas
MIN_SIGMA = 0.05  # pixels: no smaller sigma changes anything
MIN_PROBABILITY = 1e-6  # a probability of 0 could never change


def uses_image(config: CRFConfig) -> bool:
    return config.appearance_weight > 0


def sigmas(config: CRFConfig, spacing: Sequence[float]) -> tuple[list[float], list[float]]:
    """Smoothness and appearance sigma along each axis, in pixels."""
    unit = min(spacing) if config.units == "pixels" else 1.0
    both = (config.smoothness_sigma, config.appearance_sigma)
    smoothness, appearance = (
        [max(sigma * unit / step, MIN_SIGMA) for step in spacing] for sigma in both
    )
    return smoothness, appearance


def halo(config: CRFConfig, spacing: Sequence[float]) -> list[int]:
    """Margin of a block in pixels along each axis."""
    smoothness, appearance = sigmas(config, spacing)
    smoothness = smoothness if config.smoothness_weight else [0.0] * len(smoothness)
    appearance = appearance if config.appearance_weight else [0.0] * len(appearance)
    return [ceil(HALO * max(both)) for both in zip(smoothness, appearance, strict=True)]


def make_smoother(
    config: CRFConfig,
    classes: int,
    spacing: Sequence[float],
    device: str,
    compatibility: Any = None,
    components: NDArray[np.float32] | None = None,
) -> BlockSmoother:
    """Make a function that smooths one block, on a device.

    `components` ``(features, C)`` project an image of many channels onto a few.
    """
    torch_device = choose(device)
    costs = None if compatibility is None else _costs(compatibility, classes, torch_device)
    smoothness, appearance = sigmas(config, spacing)

    @torch.inference_mode()
    def run(
        probabilities: NDArray[np.float32],
        intensities: NDArray[np.float32] | None,
        start: Sequence[int],
    ) -> NDArray[np.float32]:
        before = torch.from_numpy(probabilities).to(torch_device)
        kernels: list[tuple[float, Any]] = []
        if config.smoothness_weight:
            kernel = SpatialKernel(before.shape[1:], smoothness, torch_device)
            kernels.append((config.smoothness_weight, kernel))
        if intensities is not None and config.appearance_weight:
            if components is not None:
                intensities = np.tensordot(components, intensities, axes=1)
            scaled = torch.from_numpy(intensities).to(torch_device) / config.intensity_sigma
            kernels.append((config.appearance_weight, BilateralKernel(scaled, appearance, start)))
        return mean_field(before, kernels, config.iterations, costs).cpu().numpy()

    return run


def mean_field(
    probabilities: torch.Tensor,
    kernels: Sequence[tuple[float, Any]],
    iterations: int,
    costs: torch.Tensor | None = None,
) -> torch.Tensor:
    """Approximate marginals of the CRF with unary potentials ``-log(probabilities)``.

    Algorithm 1 of the paper: all pixels are updated at once, and a pixel's message includes itself.
    `kernels` are weights and filters of ``(channels, *spatial)``; `costs` ``(classes, classes)``
    default to Potts.
    """
    unary = probabilities.clamp_min(MIN_PROBABILITY).log()
    marginals = unary.softmax(dim=0)
    ones = torch.ones_like(unary[:1])
    row_sums = [kernel(ones) for _, kernel in kernels]
    for _ in range(iterations):
        messages = torch.zeros_like(unary)
        for (weight, kernel), row_sum in zip(kernels, row_sums, strict=True):
            filtered = kernel(marginals[:-1])
            messages[:-1] += weight * filtered
            # the marginals sum to one, so the last class needs no filter of its own
            messages[-1:] += weight * (row_sum - filtered.sum(dim=0, keepdim=True))
        # Potts costs differ from -messages only by a term that all classes share
        pairwise = messages if costs is None else -torch.tensordot(costs, messages, dims=1)
        marginals = (unary + pairwise).softmax(dim=0)
    return marginals


def _costs(compatibility: Any, classes: int, device: torch.device) -> torch.Tensor:
    costs = np.asarray(compatibility, np.float32)
    if costs.shape != (classes, classes) or not np.isfinite(costs).all():
        raise ValueError(
            f"compatibility has the shape {costs.shape}; give a cost for each pair of the "
            f"{classes} classes, an array of {classes} x {classes} numbers."
        )
    return torch.from_numpy(costs).to(device)
