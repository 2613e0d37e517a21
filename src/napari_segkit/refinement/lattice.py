"""A Gaussian of space and intensity, on the permutohedral lattice (Adams, Baek and Davis 2010)."""

from collections.abc import Sequence

import torch

DENSE = 2**25  # entries of a table of vertices, above which they are found by sorting


class BilateralKernel:
    """Filters by a Gaussian of place and intensities, normalised on both sides.

    Pixels are spread over the corners of the lattice's simplices, the corners are blurred, and
    pixels are read again: the time grows with the pixels, whatever the sigmas are.

    Parameters
    ----------
    intensities : tensor
        ``(C, *spatial)``, in units of their sigma.
    sigmas : sequence of float
        How far it reaches along each spatial axis, in pixels.
    """

    def __init__(self, intensities: torch.Tensor, sigmas: Sequence[float]) -> None:
        self._lattice = Lattice(features(intensities, sigmas))
        ones = torch.ones((1, *intensities.shape[1:]), device=intensities.device)
        self._scale = self._filter(ones).clamp_min(1e-20).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *spatial)``."""
        return self._scale * self._filter(values * self._scale)

    def _filter(self, values: torch.Tensor) -> torch.Tensor:
        return self._lattice.filter(values.flatten(1).T).T.reshape(values.shape)


def features(intensities: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Place and intensities of each pixel, ``(dimensions, pixels)``, in units of their sigmas."""
    shape, device = intensities.shape[1:], intensities.device
    along = [torch.arange(n, device=device) / s for n, s in zip(shape, sigmas, strict=True)]
    places = [place.expand(shape).flatten() for place in torch.meshgrid(*along, indexing="ij")]
    return torch.cat([torch.stack(places), intensities.flatten(1)])


class Lattice:
    """The permutohedral lattice around some points.

    Parameters
    ----------
    points : tensor
        ``(dimensions, points)``; the kernel has a standard deviation of one.
    """

    def __init__(self, points: torch.Tensor) -> None:
        raised = points.T @ _elevation(len(points), points)
        self.size = raised.shape[1]
        nearest, rank, weights = _simplex(raised)
        keys = _corner_keys(nearest, rank)
        flat = keys.reshape(-1, self.size)
        vertices, number = torch.unique(flat, dim=0, return_inverse=True)
        self._number = number.reshape(-1, self.size)
        self._weights = weights
        self._vertices = len(vertices)
        self._neighbours = self._find_neighbours(vertices)

    def _find_neighbours(self, vertices):
        import numpy as np

        table = {tuple(v): i for i, v in enumerate(vertices.tolist())}
        out = []
        for axis in range(self.size):
            step = torch.ones(self.size, dtype=vertices.dtype)
            step[axis] -= self.size
            pair = []
            for sign in (1, -1):
                pair.append(
                    torch.tensor(
                        [table.get(tuple(v), len(table)) for v in (vertices + sign * step).tolist()]
                    )
                )
            out.append(pair)
        return out

    def filter(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(points, channels)``."""
        on = values.new_zeros((self._vertices + 1, values.shape[1]))
        for corner in range(self.size):
            on.index_add_(0, self._number[:, corner], values * self._weights[:, corner, None])
        for forth, back in self._neighbours:
            blurred = on[:-1] + 0.5 * (on[forth] + on[back])
            on[:-1] = blurred
        return sum(on[self._number[:, c]] * self._weights[:, c, None] for c in range(self.size))


def _elevation(dimensions, like):
    size = dimensions + 1
    matrix = torch.zeros((dimensions, size))
    for i in range(1, size):
        scale = size * (2 / 3) ** 0.5 / (i * (i + 1)) ** 0.5
        matrix[i - 1, :i] = scale
        matrix[i - 1, i] = -i * scale
    return matrix.to(like)


def _simplex(raised):
    size = raised.shape[1]
    nearest = (raised / size).round() * size
    total = (nearest.sum(1) / size).round().long()
    rest = raised - nearest
    order = rest.argsort(dim=1, descending=True)
    rank = torch.empty_like(order)
    rank.scatter_(1, order, torch.arange(size).expand_as(order))
    rank = rank + total[:, None]
    low, high = rank < 0, rank >= size
    nearest = nearest + size * low - size * high
    rank = rank + size * low.long() - size * high.long()
    rest = (raised - nearest) / size
    bary = torch.zeros((len(raised), size + 1), dtype=raised.dtype)
    d = size - 1
    bary.scatter_add_(1, d - rank, rest)
    bary.scatter_add_(1, d + 1 - rank, -rest)
    bary[:, 0] += 1 + bary[:, -1]
    return nearest.long(), rank, bary[:, :-1]


def _corner_keys(nearest, rank):
    size = nearest.shape[1]
    ks = torch.arange(size)[None, :, None]
    return nearest[:, None] + ks - size * (rank[:, None] > size - 1 - ks).long()
