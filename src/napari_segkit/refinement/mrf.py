"""Markov random field on the pixel grid with Potts costs between neighbours."""

from collections.abc import Callable, Sequence
from itertools import product
from math import dist

import numpy as np
import torch
from torch.nn.functional import pad

from napari_segkit.config import MRFConfig
from napari_segkit.devices import choose
from napari_segkit.images.types import Floats

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
        self._pairs = pairs
        self._parities = list(product(*(range(min(2, n)) for n in shape)))
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
        beliefs = _by_parity(belief(unary.softmax(dim=0)))
        unaries = {parity: unary[_pixels(parity)].contiguous() for parity in self._parities}
        del unary
        updated = {}
        for _ in range(iterations):
            change = 0.0
            for parity, logits in unaries.items():
                updated[parity] = self._given_neighbours(logits, beliefs, parity, weight)
                seen = belief(updated[parity])
                before = _shifted(beliefs, parity, (0,) * len(parity), seen)
                change = max(change, float((seen - before).abs().max()))
                before.copy_(seen)
            if change < TOLERANCE:
                break
        smoothed = torch.empty_like(probabilities)
        for parity, values in updated.items():
            smoothed[_pixels(parity)] = values
        return smoothed

    def _given_neighbours(
        self,
        unary: torch.Tensor,
        beliefs: dict[tuple[int, ...], torch.Tensor],
        parity: tuple[int, ...],
        weight: float,
    ) -> torch.Tensor:
        """Probabilities of the pixels of one parity, given what their neighbours show."""
        logits = unary.clone()
        for (offset, share), contrasts in zip(self._pairs, self._contrasts, strict=True):
            opposite = tuple(-o for o in offset)
            # the cost of a pair is stored with the pixel from which the offset leads to the other
            for way, first in ((offset, (0,) * len(offset)), (opposite, opposite)):
                neighbour = _shifted(beliefs, parity, way, unary)
                if contrasts is None:
                    logits.add_(neighbour, alpha=weight * share)
                else:
                    contrast = _shifted(contrasts, parity, first, unary)
                    logits.addcmul_(neighbour, contrast, value=weight * share)
        return logits.softmax(dim=0)


def _pixels(parity: tuple[int, ...]) -> tuple[slice, ...]:
    """Index of the pixels of one parity, which are updated together."""
    return (slice(None), *(slice(first, None, 2) for first in parity))


def _by_parity(values: torch.Tensor) -> dict[tuple[int, ...], torch.Tensor]:
    """The pixels of each parity side by side in memory, with a border of zeros."""
    border = [1, 1] * (values.ndim - 1)
    parities = product((0, 1), repeat=values.ndim - 1)
    return {parity: pad(values[_pixels(parity)], border) for parity in parities}


def _shifted(
    values: dict[tuple[int, ...], torch.Tensor],
    parity: tuple[int, ...],
    offset: tuple[int, ...],
    like: torch.Tensor,
) -> torch.Tensor:
    """The pixels at an offset from those of a parity, which are as many as those of `like`."""
    places = [first + o for first, o in zip(parity, offset, strict=True)]
    starts = [1 + place // 2 for place in places]
    window = [slice(i, i + n) for i, n in zip(starts, like.shape[1:], strict=True)]
    return values[tuple(place % 2 for place in places)][(slice(None), *window)]


def _contrast(
    intensities: torch.Tensor | None, offset: tuple[int, ...]
) -> dict[tuple[int, ...], torch.Tensor] | None:
    """``c_ij`` of each pixel and its neighbour, by parity; None for the same cost everywhere."""
    if intensities is None:
        return None
    padded = pad(intensities, [1, 1] * len(offset))
    axes = zip(offset, intensities.shape[1:], strict=True)
    shifted = padded[(slice(None), *(slice(1 + o, 1 + o + n) for o, n in axes))]
    squared = (shifted - intensities).square().sum(dim=0, keepdim=True)
    return _by_parity(torch.exp(-0.5 * squared))


def _marginals(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities


def _one_hot(probabilities: torch.Tensor) -> torch.Tensor:
    likeliest = probabilities.max(dim=0, keepdim=True).indices  # many times faster than argmax
    return torch.zeros_like(probabilities).scatter_(0, likeliest, 1.0)
