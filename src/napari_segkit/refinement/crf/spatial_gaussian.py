"""Exact spatial Gaussian filter, one axis after the other."""

from collections.abc import Sequence

import torch

TRUNCATE = 4  # sigmas
CHUNK = 64  # pixels of an axis that are blurred at once, unless the Gaussian is wider


class SpatialKernel:
    """Gaussian filter, normalised on both sides by the square roots of its row sums.

    Sigmas are in pixels along each axis of `shape`.
    """

    def __init__(self, shape: Sequence[int], sigmas: Sequence[float], device: torch.device) -> None:
        self._taps = [_gaussian(s, n, device) for s, n in zip(sigmas, shape, strict=True)]
        self._norm = self._blur(torch.ones((1, *shape), device=device)).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *shape)``."""
        return self._norm * self._blur(values * self._norm)

    def _blur(self, values: torch.Tensor) -> torch.Tensor:
        for axis, taps in enumerate(self._taps, start=1):
            if values.shape[axis] > 1:
                values = _blur_axis(values, axis, taps)
        return values


def _blur_axis(values: torch.Tensor, axis: int, taps: torch.Tensor) -> torch.Tensor:
    """Multiply each chunk of an axis, with its surroundings, by a band matrix."""
    length, radius = values.shape[axis], len(taps) // 2
    last = axis == values.ndim - 1
    flat = values.reshape(-1, length) if last else values.flatten(0, axis - 1).flatten(2)
    chunk = max(CHUNK, radius)
    blurred = []
    for start in range(0, length, chunk):
        stop = min(start + chunk, length)
        low, high = max(0, start - radius), min(length, stop + radius)
        band = _band_matrix(taps, range(start, stop), range(low, high))
        blurred.append(flat[:, low:high] @ band.T if last else band @ flat[:, low:high])
    return torch.cat(blurred, dim=1).view(values.shape)


def _band_matrix(taps: torch.Tensor, rows: range, columns: range) -> torch.Tensor:
    """Weights of the input pixels `columns` for the output pixels `rows`."""
    offsets = torch.arange(columns.start, columns.stop)
    index = offsets - torch.arange(rows.start, rows.stop)[:, None] + len(taps) // 2
    inside = (index >= 0) & (index < len(taps))
    return taps[index.clamp(0, len(taps) - 1).to(taps.device)] * inside.to(taps.device)


def _gaussian(sigma: float, length: int, device: torch.device) -> torch.Tensor:
    radius = max(1, min(length - 1, round(TRUNCATE * sigma)))
    offsets = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * (offsets / sigma) ** 2)
