"""Fully connected CRF by mean field (Kraehenbuehl and Koltun 2011), on any device."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import CRFConfig
from napari_segkit.devices import choose
from napari_segkit.refinement.blocks import Smooth

from .permutohedral_lattice import BilateralKernel
from .spatial_gaussian import SpatialKernel

REACH = 3  # sigmas beyond which a pixel counts for nothing
LEAST = 0.05  # pixels: a sigma below that does what this one does, which is nothing
SMALLEST = 1e-6  # a probability of 0 could never change


def sees_image(config: CRFConfig) -> bool:
    """Whether the image counts."""
    return config.appearance_weight > 0


def sigmas(config: CRFConfig, spacing: Sequence[float]) -> tuple[list[float], list[float]]:
    """How far smoothness and appearance reach along each axis, in pixels."""
    unit = min(spacing) if config.units == "pixels" else 1.0
    both = (config.smoothness_sigma, config.appearance_sigma)
    near, far = ([max(sigma * unit / step, LEAST) for step in spacing] for sigma in both)
    return near, far


def halo(config: CRFConfig, spacing: Sequence[float]) -> list[int]:
    """The margin that a block needs, in pixels along each axis."""
    near, far = sigmas(config, spacing)
    near = near if config.smoothness_weight else [0.0] * len(near)
    far = far if config.appearance_weight else [0.0] * len(far)
    return [ceil(REACH * max(along)) for along in zip(near, far, strict=True)]


def smoother(
    config: CRFConfig,
    classes: int,
    spacing: Sequence[float],
    device: str,
    compatibility: Any = None,
    directions: NDArray[np.float32] | None = None,
) -> Smooth:
    """What smooths one block.

    Parameters
    ----------
    config : CRFConfig
        How.
    classes : int
        Number of classes.
    spacing : sequence of float
        World units between pixels along each axis.
    device : str
        Where it is done.
    compatibility : array-like, optional
        ``(classes, classes)``, the cost of two classes side by side.
    directions : ndarray, optional
        ``(seen, C)``: what is seen of many channels.

    Returns
    -------
    callable
        From probabilities ``(classes, *spatial)``, scaled intensities ``(C, *spatial)`` and the
        place of the block in its image to probabilities.
    """
    chosen = choose(device)
    costs = None if compatibility is None else _costs(compatibility, classes, chosen)
    near, far = sigmas(config, spacing)

    @torch.inference_mode()
    def run(
        probabilities: NDArray[np.float32],
        pixels: NDArray[np.float32] | None,
        start: Sequence[int],
    ) -> NDArray[np.float32]:
        given = torch.from_numpy(probabilities).to(chosen)
        kernels: list[tuple[float, Any]] = []
        if config.smoothness_weight:
            kernel = SpatialKernel(given.shape[1:], near, chosen)
            kernels.append((config.smoothness_weight, kernel))
        if pixels is not None and config.appearance_weight:
            seen = pixels if directions is None else np.tensordot(directions, pixels, axes=1)
            scaled = torch.from_numpy(seen).to(chosen) / config.intensity_sigma
            kernels.append((config.appearance_weight, BilateralKernel(scaled, far, start)))
        return mean_field(given, kernels, config.iterations, costs).cpu().numpy()

    return run


def mean_field(
    probabilities: torch.Tensor,
    kernels: Sequence[tuple[float, Any]],
    iterations: int,
    costs: torch.Tensor | None = None,
) -> torch.Tensor:
    """Marginals of the CRF whose unary potentials are minus the logarithm of probabilities.

    All pixels are updated at once (algorithm 1 of the paper); every kernel is normalised by the
    square roots of its row sums on both sides and counts a pixel itself.

    Parameters
    ----------
    probabilities : tensor
        ``(classes, *spatial)``.
    kernels : sequence of tuple
        The weight of each kernel, and what filters ``(channels, *spatial)`` by it.
    iterations : int
        How many rounds.
    costs : tensor, optional
        ``(classes, classes)``; None: Potts.

    Returns
    -------
    tensor
        As `probabilities`.
    """
    unary = probabilities.clamp_min(SMALLEST).log()
    marginals = unary.softmax(dim=0)
    ones = torch.ones_like(unary[:1])
    reach = [kernel(ones) for _, kernel in kernels]
    for _ in range(iterations):
        agreed = torch.zeros_like(unary)
        for (weight, kernel), whole in zip(kernels, reach, strict=True):
            part = kernel(marginals[:-1])
            agreed[:-1] += weight * part
            agreed[-1:] += weight * (whole - part.sum(dim=0, keepdim=True))  # they add up to one
        # Potts: the cost of all other classes is what all have in common minus the class's own
        gain = agreed if costs is None else -torch.tensordot(costs, agreed, dims=1)
        marginals = (unary + gain).softmax(dim=0)
    return marginals


def _costs(compatibility: Any, classes: int, device: torch.device) -> torch.Tensor:
    costs = np.asarray(compatibility, np.float32)
    if costs.shape != (classes, classes) or not np.isfinite(costs).all():
        raise ValueError(
            f"compatibility has the shape {costs.shape}; give a cost for each pair of the "
            f"{classes} classes, an array of {classes} x {classes} numbers."
        )
    return torch.from_numpy(costs).to(device)
