"""A Gaussian of space alone, exact: one axis after the other."""

from collections.abc import Sequence

import torch

REACH = 4  # sigmas at which the Gaussian is cut off
STRETCH = 64  # pixels that are blurred at once, where the Gaussian is not longer


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
        self._scale = self._blur(torch.ones((1, *shape), device=device)).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *shape)``."""
        return self._scale * self._blur(values * self._scale)

    def _blur(self, values: torch.Tensor) -> torch.Tensor:
        for axis, taps in enumerate(self._taps, start=1):
            if values.shape[axis] > 1:
                values = _along(values, axis, taps)
        return values


def _along(values: torch.Tensor, axis: int, taps: torch.Tensor) -> torch.Tensor:
    """Blur one axis: stretches of it, each with its surroundings, times a matrix."""
    length, reach = values.shape[axis], len(taps) // 2
    last = axis == values.ndim - 1
    flat = values.reshape(-1, length) if last else values.flatten(0, axis - 1).flatten(2)
    stretch = max(STRETCH, reach)
    parts = []
    for start in range(0, length, stretch):
        stop = min(start + stretch, length)
        low, high = max(0, start - reach), min(length, stop + reach)
        band = _band(taps, range(start, stop), range(low, high))
        parts.append(flat[:, low:high] @ band.T if last else band @ flat[:, low:high])
    return torch.cat(parts, dim=1).view(values.shape)


def _band(taps: torch.Tensor, to: range, of: range) -> torch.Tensor:
    """What each pixel of a stretch takes of the pixels around it, ``(to, of)``."""
    reach = len(taps) // 2
    away = torch.arange(of.start, of.stop) - torch.arange(to.start, to.stop)[:, None] + reach
    inside = (away >= 0) & (away < len(taps))
    return taps[away.clamp(0, len(taps) - 1).to(taps.device)] * inside.to(taps.device)


def _gaussian(sigma: float, length: int, device: torch.device) -> torch.Tensor:
    reach = max(1, min(length - 1, round(REACH * sigma)))
    place = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * (place / sigma) ** 2)
