"""Exact spatial Gaussian filter, one axis after the other."""

from collections.abc import Iterator, Sequence

import torch

TRUNCATE = 4  # sigmas
CHUNK = 32  # pixels of an axis that are blurred at once, unless the Gaussian is wider


class SpatialKernel:
    """Gaussian filter, normalised on both sides by the square roots of its row sums.

    Sigmas are in pixels along each axis of `shape`.
    """

    def __init__(self, shape: Sequence[int], sigmas: Sequence[float], device: torch.device) -> None:
        self._bands = [
            list(_bands(_gaussian(sigma, length, device), length))
            for sigma, length in zip(sigmas, shape, strict=True)
        ]

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *shape)``."""
        for axis, bands in enumerate(self._bands, start=1):
            if values.shape[axis] > 1:
                values = _blur_axis(values, axis, bands)
        return values


def _blur_axis(
    values: torch.Tensor, axis: int, bands: Sequence[tuple[slice, slice, torch.Tensor]]
) -> torch.Tensor:
    """Multiply each chunk of an axis, with its surroundings, by a band matrix."""
    length, last = values.shape[axis], axis == values.ndim - 1
    flat = values.reshape(-1, length) if last else values.flatten(0, axis - 1).flatten(2)
    blurred = torch.empty_like(flat)
    for chunk, near, band in bands:
        blurred[:, chunk] = flat[:, near] @ band.T if last else band @ flat[:, near]
    return blurred.view(values.shape)


def _bands(taps: torch.Tensor, length: int) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """Chunks of an axis, the pixels around each, and the normalised weights of these."""
    radius = len(taps) // 2
    pixels = torch.arange(length, device=taps.device)
    sums = torch.cat([taps.new_zeros(1), taps.cumsum(0)])
    row_sums = sums[(length - pixels + radius).clamp(max=len(taps))]
    scale = (row_sums - sums[(radius - pixels).clamp(min=0)]).rsqrt()
    is_inner = False
    for start in range(0, length, max(CHUNK, radius)):
        chunk = slice(start, start + max(CHUNK, radius))
        near = slice(max(0, start - radius), chunk.stop + radius)
        was_inner, is_inner = is_inner, start >= 2 * radius and near.stop + radius <= length
        if not (was_inner and is_inner):  # chunks far from both ends share one band
            index = pixels[near] - pixels[chunk, None] + radius
            inside = (index >= 0) & (index < len(taps))
            band = taps[index.clamp(0, len(taps) - 1)] * inside
            band = band * scale[chunk, None] * scale[near]
        yield chunk, near, band


def _gaussian(sigma: float, length: int, device: torch.device) -> torch.Tensor:
    radius = max(1, min(length - 1, round(TRUNCATE * sigma)))
    offsets = torch.arange(-radius, radius + 1, device=device, dtype=torch.float32)
    return torch.exp(-0.5 * (offsets / sigma) ** 2)
