"""Fully connected CRF by mean field (Kraehenbuehl and Koltun 2011), on any device."""

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
import torch

from napari_segkit.config import CRFConfig
from napari_segkit.devices import choose
from napari_segkit.freed_memory import keeping_freed_memory
from napari_segkit.images.types import AnyArray, Floats
from napari_segkit.refinement.smoothing_method import BlockSmoother, SmoothingMethod

from .permutohedral_lattice import BilateralKernel
from .spatial_gaussian import SpatialKernel

HALO = 3  # sigmas
MIN_SIGMA = 0.05  # pixels: no smaller sigma changes anything
MIN_PROBABILITY = 1e-6  # a probability of 0 could never change
Kernel = Callable[[torch.Tensor], torch.Tensor]  # filters (channels, *spatial)


class CRF(SmoothingMethod):
    """Fully connected CRF; `compatibility` ``(classes, classes)`` are costs of neighbours."""

    few_channels = True

    def __init__(
        self,
        config: CRFConfig,
        spacing: Sequence[float],
        compatibility: AnyArray | None = None,
    ) -> None:
        super().__init__(spacing)
        self.uses_image = config.uses_image
        self._config, self._compatibility = config, compatibility
        self._smoothness, self._appearance = sigmas(config, spacing)

    def halo(self) -> list[int]:
        weights = self._config.smoothness_weight, self._config.appearance_weight
        used = [s for s, w in zip((self._smoothness, self._appearance), weights, strict=True) if w]
        return [
            ceil(HALO * max(axis)) for axis in zip([0.0] * len(self.spacing), *used, strict=True)
        ]

    def block_smoother(
        self, classes: int, device: str, components: Floats | None = None
    ) -> BlockSmoother:
        torch_device, config = choose(device), self._config
        costs = None
        if self._compatibility is not None:
            costs = _costs(self._compatibility, classes, torch_device)

        @keeping_freed_memory()
        @torch.inference_mode()
        def run(probabilities: Floats, intensities: Floats | None, start: Sequence[int]) -> Floats:
            before = torch.from_numpy(probabilities).to(torch_device)
            kernels: list[tuple[float, Kernel]] = []
            if config.smoothness_weight:
                kernel = SpatialKernel(before.shape[1:], self._smoothness, torch_device)
                kernels.append((config.smoothness_weight, kernel))
            if intensities is not None and config.appearance_weight:
                if components is not None:
                    intensities = np.tensordot(components, intensities, axes=1)
                scaled = torch.from_numpy(intensities).to(torch_device) / config.intensity_sigma
                bilateral = BilateralKernel(scaled, self._appearance, start)
                kernels.append((config.appearance_weight, bilateral))
            return mean_field(before, kernels, config.iterations, costs).cpu().numpy()

        return run


def sigmas(config: CRFConfig, spacing: Sequence[float]) -> tuple[list[float], list[float]]:
    """Smoothness and appearance sigma along each axis, in pixels."""
    unit = min(spacing) if config.units == "pixels" else 1.0
    both = (config.smoothness_sigma, config.appearance_sigma)
    smoothness, appearance = (
        [max(sigma * unit / step, MIN_SIGMA) for step in spacing] for sigma in both
    )
    return smoothness, appearance


def mean_field(
    probabilities: torch.Tensor,
    kernels: Sequence[tuple[float, Kernel]],
    iterations: int,
    costs: torch.Tensor | None = None,
) -> torch.Tensor:
    """Approximate marginals of the CRF with unary potentials ``-log(probabilities)``.

    Algorithm 1 of the paper: all pixels are updated at once, and a pixel's message includes itself.
    `kernels` are weights and filters of ``(channels, *spatial)``; `costs` ``(classes, classes)``
    default to Potts.
    """
    unary = probabilities.clamp_min(MIN_PROBABILITY).log_()
    marginals = unary.softmax(dim=0)
    if not kernels:
        return marginals
    if costs is None:  # Potts costs less 1, which all classes share
        costs = -torch.eye(len(unary), device=unary.device)
    # the marginals sum to one, so the last class needs no filter of its own
    row_sums = _weighted_sum(kernels, torch.ones_like(unary[:1]))
    unary -= torch.tensordot(costs[:, -1:], row_sums, dims=1)
    logits, gains = unary.flatten(1), costs[:, -1:] - costs[:, :-1]
    for _ in range(iterations):
        messages = _weighted_sum(kernels, marginals[:-1]).flatten(1)
        torch.addmm(logits, gains, messages, out=marginals.flatten(1))
        marginals = marginals.softmax(dim=0)
    return marginals


def _weighted_sum(kernels: Sequence[tuple[float, Kernel]], values: torch.Tensor) -> torch.Tensor:
    total = torch.zeros_like(values)
    for weight, kernel in kernels:
        total.add_(kernel(values), alpha=weight)
    return total


def _costs(compatibility: AnyArray, classes: int, device: torch.device) -> torch.Tensor:
    costs, is_complex = compatibility.real.astype(np.float32), np.iscomplexobj(compatibility)
    if is_complex or costs.shape != (classes, classes) or not np.isfinite(costs).all():
        raise ValueError(
            f"compatibility has the shape {costs.shape}; give a cost for each pair of the "
            f"{classes} classes, an array of {classes} x {classes} numbers."
        )
    return torch.from_numpy(costs).to(device)
