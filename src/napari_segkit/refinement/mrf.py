"""A Markov random field on the grid of pixels: neighbours that differ cost (Potts)."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import dist

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import pad

from napari_segkit.config import MRFConfig
from napari_segkit.devices import choose

from .blocks import Smooth

SMALLEST = 1e-6  # a probability of 0 could never change
STILL = 1e-4  # a round that changes probabilities by less is the last one
REACH = 16  # pixels beyond which nothing that counts comes from; even, as blocks' first pixels are

Place = tuple[slice, ...]


def sees_image(config: MRFConfig) -> bool:
    """Whether the image counts."""
    return config.intensity_sigma is not None


def halo(config: MRFConfig, spacing: Sequence[float]) -> list[int]:
    """The margin that a block needs, in pixels along each axis: one or two for each round."""
    return [min(2 * config.iterations, REACH)] * len(spacing)


def smoother(config: MRFConfig, classes: int, spacing: Sequence[float], device: str) -> Smooth:
    """What smooths one block.

    Minimises the energy of a labelling ``x`` with the probabilities ``p``,

        sum_i -log p_i(x_i)  +  weight * sum_(i, j) s_ij c_ij [x_i != x_j],

    the second sum over all pairs of neighbours. The shares ``s_ij`` go by one over the distance in
    world units, and those of all neighbours of a pixel add up to one, away from the image's end:
    in any neighbourhood and at any spacing, a pixel whose neighbours all have another class pays
    `weight`, as with ``CRFConfig.smoothness_weight``. With an ``intensity_sigma``,
    ``c_ij = exp(-d_ij^2 / (2 intensity_sigma^2))``, where ``d_ij`` is the root mean square over
    the channels of the difference of the two; else it is 1.

    Pixels are taken in turns, those whose row, column (and slice) are even or odd alike at once:
    no two of them are neighbours, so that no turn makes the energy higher (ICM), or the divergence
    of the product of all pixels' probabilities from the field's distribution (mean field).

    Parameters
    ----------
    config : MRFConfig
        How.
    classes : int
        Number of classes.
    spacing : sequence of float
        World units between pixels along each axis.
    device : str
        Where it is done.

    Returns
    -------
    callable
        From probabilities ``(classes, *spatial)``, scaled intensities ``(C, *spatial)`` and the
        place of the block in its image, which is of no account here, to probabilities. Those of
        ICM are each pixel's own, given the classes of its neighbours; the class it decided for is
        the likeliest.
    """
    chosen = choose(device)

    @torch.inference_mode()
    def run(
        probabilities: NDArray[np.float32],
        pixels: NDArray[np.float32] | None,
        start: Sequence[int],
    ) -> NDArray[np.float32]:
        given = torch.from_numpy(probabilities).to(chosen)
        seen = None
        if pixels is not None and config.intensity_sigma is not None:
            scale = config.intensity_sigma * len(pixels) ** 0.5
            seen = torch.from_numpy(pixels).to(chosen) / scale
        field = Field(given.shape[1:], neighbours(spacing, diagonals=config.diagonals), seen)
        decide = _likeliest if config.method == "icm" else _as_it_is
        return field.smooth(given, config.weight, config.iterations, decide).cpu().numpy()

    return run


def neighbours(spacing: Sequence[float], *, diagonals: bool) -> list[tuple[tuple[int, ...], float]]:
    """Half of a pixel's neighbours, the other half lying opposite, and the share of each.

    Parameters
    ----------
    spacing : sequence of float
        World units between pixels along each axis.
    diagonals : bool
        Whether those across corners are neighbours.

    Returns
    -------
    list of tuple
        Steps along the axes, and by how much the neighbour counts; over all neighbours, opposite
        ones among them, that adds up to one.
    """
    steps = [
        step
        for step in product((-1, 0, 1), repeat=len(spacing))
        if step > (0,) * len(step) and (diagonals or sum(map(abs, step)) == 1)
    ]
    near = [1 / dist([0] * len(step), np.multiply(step, spacing)) for step in steps]
    return [(step, each / (2 * sum(near))) for step, each in zip(steps, near, strict=True)]


class Field:
    """The pairs of neighbours of an image.

    Parameters
    ----------
    shape : sequence of int
        Lengths of the spatial axes.
    pairs : list of tuple
        As `neighbours` gives them.
    intensities : tensor or None
        ``(C, *shape)``, in units of their sigma; None where all pairs count alike.
    """

    def __init__(
        self,
        shape: Sequence[int],
        pairs: Sequence[tuple[tuple[int, ...], float]],
        intensities: torch.Tensor | None,
    ) -> None:
        self._shape = tuple(shape)
        self._pairs = pairs
        self._alike = [_alike(intensities, step) for step, _ in pairs]

    def smooth(
        self,
        probabilities: torch.Tensor,
        weight: float,
        rounds: int,
        decide: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Let neighbours agree, round by round.

        Parameters
        ----------
        probabilities : tensor
            ``(classes, *shape)``.
        weight : float
            How strongly.
        rounds : int
            At most so many; fewer where nothing changes any more.
        decide : callable
            From a pixel's probabilities to what its neighbours see of them.

        Returns
        -------
        tensor
            As `probabilities`.
        """
        unary = probabilities.clamp_min(SMALLEST).log()
        smoothed = unary.softmax(dim=0)
        seen = _framed(decide(smoothed))
        for _ in range(rounds):
            moved = [
                self._turn(unary, smoothed, seen, turn, weight, decide) for turn in self._turns()
            ]
            if max(moved) < STILL:
                break
        return smoothed

    def _turns(self) -> Iterator[tuple[int, ...]]:
        """First pixels of the turns; no pixel is a neighbour of another one of its turn."""
        return product(*(range(min(2, n)) for n in self._shape))

    def _turn(
        self,
        unary: torch.Tensor,
        smoothed: torch.Tensor,
        seen: torch.Tensor,
        turn: tuple[int, ...],
        weight: float,
        decide: Callable[[torch.Tensor], torch.Tensor],
    ) -> float:
        """Renew every second pixel along each axis; how much the largest change is."""
        here = (slice(None), *(slice(first, None, 2) for first in turn))
        inner = (slice(None), *self._beside(turn, (0,) * len(turn)))
        agreed = torch.zeros_like(unary[here])
        for (step, share), alike in zip(self._pairs, self._alike, strict=True):
            back = tuple(-s for s in step)
            for way, pair in ((step, inner[1:]), (back, self._beside(turn, back))):
                beside = seen[(slice(None), *self._beside(turn, way))]
                agreed += share * (beside if alike is None else beside * alike[pair])
        renewed = (unary[here] + weight * agreed).softmax(dim=0)
        shown = decide(renewed)
        moved = float((shown - seen[inner]).abs().max())
        smoothed[here], seen[inner] = renewed, shown
        return moved

    def _beside(self, turn: tuple[int, ...], step: tuple[int, ...]) -> Place:
        """Where in a framed array the pixels of a turn lie, moved by a step."""
        along = zip(turn, step, self._shape, strict=True)
        return tuple(slice(1 + first + s, 1 + n + s, 2) for first, s, n in along)


def _framed(values: torch.Tensor) -> torch.Tensor:
    """With a pixel of nothing around it."""
    return pad(values, [1, 1] * (values.ndim - 1))


def _alike(intensities: torch.Tensor | None, step: tuple[int, ...]) -> torch.Tensor | None:
    """How alike each pixel and its neighbour are, framed; of no account where there is none."""
    if intensities is None:
        return None
    lengths = intensities.shape[1:]
    framed = _framed(intensities)
    moved = framed[
        (slice(None), *(slice(1 + s, 1 + s + n) for s, n in zip(step, lengths, strict=True)))
    ]
    apart = (moved - intensities).square().sum(dim=0)
    return _framed(torch.exp(-0.5 * apart)[None])[0]


def _as_it_is(probabilities: torch.Tensor) -> torch.Tensor:
    return probabilities


def _likeliest(probabilities: torch.Tensor) -> torch.Tensor:
    chosen = probabilities.max(dim=0, keepdim=True).indices  # many times faster than argmax
    return torch.zeros_like(probabilities).scatter_(0, chosen, 1.0)
