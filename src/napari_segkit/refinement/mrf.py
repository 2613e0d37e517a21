"""Markov random field on the pixel grid with Potts costs between neighbours."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import dist

import numpy as np
import torch
from torch.nn.functional import pad

from napari_segkit.config import MRFConfig
from napari_segkit.devices import choose
from napari_segkit.images.types import Floats

from .blocks import Region
from .smoothing_method import BlockSmoother, SmoothingMethod

MIN_PROBABILITY = 1e-6  # a probability of 0 could never change
TOLERANCE = 1e-4  # iterations end once no probability changes by more
MAX_HALO = 16  # pixels; no noticeable influence from beyond. Even, as the blocks' first pixels are


class MRF(SmoothingMethod):
    """Grid MRF.

    Minimises the energy of a labelling ``x`` with the probabilities ``p``,

        sum_i -log p_i(x_i)  +  weight * sum_(i, j) s_ij c_ij [x_i != x_j],

    the second sum over all pairs of neighbours. ``s_ij`` is proportional to 1 / distance in world
    units and sums to one over all neighbours of a pixel. With an ``intensity_sigma``,
    ``c_ij = exp(-d_ij^2 / (2 intensity_sigma^2))``, where ``d_ij`` is the root mean square
    difference over the channels; otherwise it is 1.

    Pixels with the same parity of row, column (and slice) are updated together: as no two of them
    are neighbours, no update raises the energy (ICM) or the divergence of the product of all
    marginals from the field's distribution (mean field). ICM returns each pixel's probabilities
    given its neighbours' classes.
    """

    def __init__(self, config: MRFConfig, spacing: Sequence[float]) -> None:
        super().__init__(spacing)
        self.uses_image, self._config = config.uses_image, config

    def halo(self) -> list[int]:
        """Two pixels for each iteration."""
        return [min(2 * self._config.iterations, MAX_HALO)] * len(self.spacing)

    def block_smoother(
        self, classes: int, device: str, components: Floats | None = None
    ) -> BlockSmoother:
        torch_device, config = choose(device), self._config
        pairs = neighbours(self.spacing, diagonals=config.diagonals)
        belief = _one_hot if config.method == "icm" else _marginals

        @torch.inference_mode()
        def run(probabilities: Floats, intensities: Floats | None, start: Sequence[int]) -> Floats:
            before = torch.from_numpy(probabilities).to(torch_device)
            scaled = None
            if intensities is not None and config.intensity_sigma is not None:
                scale = config.intensity_sigma * len(intensities) ** 0.5
                scaled = torch.from_numpy(intensities).to(torch_device) / scale
            field = PottsField(before.shape[1:], pairs, scaled)
            return field.smooth(before, config.weight, config.iterations, belief).cpu().numpy()

        return run


def neighbours(spacing: Sequence[float], *, diagonals: bool) -> list[tuple[tuple[int, ...], float]]:
    """Offsets and weights of half of a pixel's neighbours; the other half is opposite.

    The weights of all neighbours, opposite ones included, sum to one.
    """
    offsets = [
        offset
        for offset in product((-1, 0, 1), repeat=len(spacing))
        if offset > (0,) * len(offset) and (diagonals or sum(map(abs, offset)) == 1)
    ]
    inverse = [1 / dist([0] * len(offset), np.multiply(offset, spacing)) for offset in offsets]
    return [(o, weight / (2 * sum(inverse))) for o, weight in zip(offsets, inverse, strict=True)]


class PottsField:
    """Pairwise weights of an image of a shape.

    `pairs` are those of `neighbours`; `intensities` ``(C, *shape)`` are in units of their sigma,
    None for the same cost everywhere.
    """

    def __init__(
        self,
        shape: Sequence[int],
        pairs: Sequence[tuple[tuple[int, ...], float]],
        intensities: torch.Tensor | None,
    ) -> None:
        self._shape = tuple(shape)
        self._pairs = pairs
        self._contrasts = [_contrast(intensities, offset) for offset, _ in pairs]

    def smooth(
        self,
        probabilities: torch.Tensor,
        weight: float,
        iterations: int,
        belief: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Update ``(classes, *shape)`` until nothing changes, `iterations` times at most.

        `belief` maps a pixel's probabilities to those that its neighbours see.
        """
        unary = probabilities.clamp_min(MIN_PROBABILITY).log()
        smoothed = unary.softmax(dim=0)
        beliefs = _zero_padded(belief(smoothed))
        for _ in range(iterations):
            changes = [
                self._update(unary, smoothed, beliefs, parity, weight, belief)
                for parity in self._parities()
            ]
            if max(changes) < TOLERANCE:
                break
        return smoothed

    def _parities(self) -> Iterator[tuple[int, ...]]:
        """First pixels of the groups that are updated together."""
        return product(*(range(min(2, n)) for n in self._shape))

    def _update(
        self,
        unary: torch.Tensor,
        smoothed: torch.Tensor,
        beliefs: torch.Tensor,
        parity: tuple[int, ...],
        weight: float,
        belief: Callable[[torch.Tensor], torch.Tensor],
    ) -> float:
        """Update the pixels of one parity in place; gives the largest change."""
        pixels = (slice(None), *(slice(first, None, 2) for first in parity))
        padded = (slice(None), *self._shifted(parity, (0,) * len(parity)))
        messages = torch.zeros_like(unary[pixels])
        for (offset, share), contrast in zip(self._pairs, self._contrasts, strict=True):
            opposite = tuple(-o for o in offset)
            for way, pair in ((offset, padded[1:]), (opposite, self._shifted(parity, opposite))):
                neighbour = beliefs[(slice(None), *self._shifted(parity, way))]
                messages += share * (neighbour if contrast is None else neighbour * contrast[pair])
        updated = (unary[pixels] + weight * messages).softmax(dim=0)
        seen = belief(updated)
        change = float((seen - beliefs[padded]).abs().max())
        smoothed[pixels], beliefs[padded] = updated, seen
        return change

    def _shifted(self, parity: tuple[int, ...], offset: tuple[int, ...]) -> Region:
        """Where the neighbours of a parity's pixels are in a padded array."""
        axes = zip(parity, offset, self._shape, strict=True)
        return tuple(slice(1 + first + o, 1 + n + o, 2) for first, o, n in axes)


def _zero_padded(values: torch.Tensor) -> torch.Tensor:
    return pad(values, [1, 1] * (values.ndim - 1))


def _contrast(intensities: torch.Tensor | None, offset: tuple[int, ...]) -> torch.Tensor | None:
    """``c_ij`` of each pixel and its neighbour, zero-padded; None for the same cost everywhere."""
    if intensities is None:
        return None
    padded = _zero_padded(intensities)
    axes = zip(offset, intensities.shape[1:], strict=True)
    shifted = padded[(slice(None), *(slice(1 + o, 1 + o + n) for o, n in axes))]
    squared = (shifted - intensities).square().sum(dim=0)
    return _zero_padded(torch.exp(-0.5 * squared)[None])[0]


def _marginals(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities


def _one_hot(probabilities: torch.Tensor) -> torch.Tensor:
    likeliest = probabilities.max(dim=0, keepdim=True).indices  # many times faster than argmax
    return torch.zeros_like(probabilities).scatter_(0, likeliest, 1.0)
