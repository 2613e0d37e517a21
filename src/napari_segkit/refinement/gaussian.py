"""A Gaussian of space alone, exact: one axis after the other."""

from collections.abc import Sequence

import torch
from torch.nn.functional import conv1d

REACH = 4  # sigmas at which the Gaussian is cut off


class SpatialKernel:
    """Filters by a Gaussian, normalised by the square roots of its row sums on both sides.

    Parameters
    ----------
    shape : sequence of int
        Lengths of the spatial axes.
    sigmas : sequence of float
        Standard deviation along each, in pixels.
    device : torch.device
        Where it filters.
    """

    def __init__(self, shape: Sequence[int], sigmas: Sequence[float], device: torch.device) -> None:
        self._taps = [_gaussian(s, n, device) for s, n in zip(sigmas, shape, strict=True)]
        ones = torch.ones((1, *shape), device=device)
        self._scale = self._blur(ones).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *shape)``."""
        return self._scale * self._blur(values * self._scale)

    def _blur(self, values: torch.Tensor) -> torch.Tensor:
        for axis, taps in enumerate(self._taps, start=1):
            if values.shape[axis] > 1:
                lines = values.movedim(axis, -1)
                flat = lines.reshape(-1, 1, lines.shape[-1])
                blurred = conv1d(flat, taps, padding=taps.shape[-1] // 2)
                values = blurred.reshape(lines.shape).movedim(-1, axis)
        return values


def _gaussian(sigma: float, length: int, device: torch.device) -> torch.Tensor:
    reach = max(1, min(length - 1, round(REACH * sigma)))
    place = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * (place / sigma) ** 2)[None, None]
