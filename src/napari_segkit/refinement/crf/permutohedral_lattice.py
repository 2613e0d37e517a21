"""A Gaussian of space and intensity, on the permutohedral lattice (Adams, Baek and Davis 2010)."""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from operator import mul

import numpy as np
import torch
from scipy.sparse import csr_matrix

from .hashing import unique

CHUNK = 2**15  # points handled at once, so that what is made on the way stays in the cache
CROWD = 64  # pixels in a square of one sigma (a cube in 3D) from which on there are many
FIRST = 2**61 + 1  # the key of the origin: no key is 0


class BilateralKernel:
    """Filters by a Gaussian of place and intensities, normalised on both sides.

    Pixels are spread over the corners of the lattice's simplices, the vertices are blurred, and
    pixels are read again: the time grows with the pixels, whatever the sigmas are.

    Parameters
    ----------
    intensities : tensor
        ``(C, *spatial)``, in units of their sigma.
    sigmas : sequence of float
        How far it reaches along each spatial axis, in pixels.
    start : sequence of int, optional
        Where the block lies in its image: blocks of an image share one lattice.
    """

    def __init__(
        self,
        intensities: torch.Tensor,
        sigmas: Sequence[float],
        start: Sequence[int] | None = None,
    ) -> None:
        points = features(intensities, sigmas, start or [0] * len(sigmas))
        self._lattice = Lattice(points, crowded=prod(sigmas) >= CROWD)
        ones = torch.ones((1, *intensities.shape[1:]), device=intensities.device)
        self._scale = self._filter(ones).clamp_min(1e-20).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *spatial)``."""
        return self._scale * self._filter(values * self._scale)

    def _filter(self, values: torch.Tensor) -> torch.Tensor:
        return self._lattice.filter(values.flatten(1).T).T.reshape(values.shape)


def features(
    intensities: torch.Tensor, sigmas: Sequence[float], start: Sequence[int]
) -> torch.Tensor:
    """Place and intensities of each pixel, ``(dimensions, pixels)``, in units of their sigmas."""
    shape, device = intensities.shape[1:], intensities.device
    along = [
        torch.arange(first, first + length, device=device) / sigma
        for first, length, sigma in zip(start, shape, sigmas, strict=True)
    ]
    places = [place.expand(shape).flatten() for place in torch.meshgrid(*along, indexing="ij")]
    return torch.cat([torch.stack(places), intensities.flatten(1)])


class Lattice:
    """The permutohedral lattice around some points.

    Where many points share a simplex it has, beside the corners of those that hold points, their
    neighbours: what is blurred out of the corners can come back. In few dimensions it is finer,
    too. Both would make more vertices than points where these lie far apart.

    Parameters
    ----------
    points : tensor
        ``(dimensions, points)``; the kernel has a standard deviation of one.
    crowded : bool
        Many points lie within a standard deviation.
    """

    def __init__(self, points: torch.Tensor, *, crowded: bool = True) -> None:
        self._passes = 2 if crowded and len(points) < 5 else 1
        elevation = _elevation(len(points) + 1, self._passes).to(points.device)
        factors = _factors(elevation, points)
        keys, weights = _corners(points, elevation, factors)
        steps = factors.sum() - len(factors) * factors  # to the next vertex along each axis
        around = torch.zeros_like(steps[:1])
        if crowded:
            around = torch.cat([around, steps, -steps])
        inner, which = unique(keys.flatten())
        self._vertices, places = unique((inner[:, None] + around).flatten())
        columns = places[:: len(around)].int()[which]
        spread = Matrix if points.is_cpu else Corners
        self.spread = spread(columns.view_as(weights), weights, len(self._vertices) + 1)
        self._neighbours = [self._beside(step) for step in steps]

    def _beside(self, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The vertices beside each, forth and back; the last row where there is none."""
        count = len(self._vertices)
        keys = self._vertices + step
        found = torch.searchsorted(self._vertices, keys)
        there = self._vertices[found.clamp(max=count - 1)] == keys
        forth = torch.where(there, found, count)
        back = torch.full_like(forth, count)
        back[found[there]] = there.nonzero().flatten()
        return forth, back

    def filter(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(points, channels)``."""
        return self.spread.read(self._blur(self.spread.onto(values)))

    def _blur(self, vertices: torch.Tensor) -> torch.Tensor:
        """By (1, 2, 1) along each axis; the last row stands for vertices that are not there."""
        for _ in range(self._passes):
            for forth, back in self._neighbours:
                beside = vertices.index_select(0, forth)
                beside += vertices.index_select(0, back)
                vertices[:-1] += beside.mul_(0.5)
        return vertices


def _elevation(size: int, passes: int) -> torch.Tensor:
    """From points to the hyperplane of the lattice, in units of its period (section 3.1).

    The lattice is the finer the more often it is blurred, so that spreading, blurring and
    reading together have a variance of one; and a little finer still, because the kernel they
    make has lighter tails than a Gaussian. That factor is the one that came nearest to the exact
    kernel on crops of photographs and micrographs.
    """
    finer = ((passes / 2 + 1 / 6) * 3 / 2) ** 0.5 * (1.045 if passes == 1 else 1.025)
    matrix = torch.zeros((size, size - 1))
    for i in range(1, size):
        scale = finer * (2 / 3) ** 0.5 / (i * (i + 1)) ** 0.5
        matrix[:i, i - 1] = scale
        matrix[i, i - 1] = -i * scale
    return matrix


def _factors(elevation: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """What the coordinates of a vertex are multiplied by to make its key, odd or ordered.

    The digits of one number, where they fit into 60 bits: near vertices then have near keys.
    Else arbitrary ones, and two vertices have the same key by one chance in 2 ** 64.
    """
    size = len(elevation)
    low, high = points.aminmax(dim=1)
    reach = elevation.abs() @ (high - low)
    digits = [size * (int(length) + 6) for length in reach[1:]]  # the last follows from them
    if prod(digits) < 2**60:
        factors = [0, *accumulate([1, *digits[:-1]], mul)]
    else:
        factors = [f | 1 for f in np.random.default_rng(0).integers(-(2**62), 2**62, size).tolist()]
    return torch.tensor(factors, dtype=torch.int64, device=points.device)


def _corners(
    points: torch.Tensor, elevation: torch.Tensor, factors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and barycentric weights ``(points, size)`` of the corners around each point."""
    size, count = len(factors), points.shape[1]
    keys = torch.empty((count, size), dtype=torch.int64, device=points.device)
    weights = torch.empty((count, size), device=points.device)
    origin = (elevation @ points[:, :1]).round()  # keys are small numbers, wherever the points lie
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        nearest, rest, rank = _simplex(elevation @ points[:, part])
        keys[part] = _keys(nearest - origin, rank, factors).T
        weights[part] = _weights(rest, rank).T
    return keys, weights


def _simplex(raised: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The nearest vertex of remainder 0, what is left, and how its coordinates rank."""
    size = len(raised)
    nearest = raised.round()
    rest = raised - nearest
    rank = nearest.sum(dim=0).to(torch.int8).repeat(size, 1)
    for i in range(size - 1):
        less = rest[i] < rest[i + 1 :]
        rank[i] += less.sum(dim=0, dtype=torch.int8)
        rank[i + 1 :] += ~less
    wrap = (rank < 0).to(torch.int8) - (rank >= size).to(torch.int8)
    return nearest + wrap, rest - wrap, (rank + size * wrap).long()


def _keys(nearest: torch.Tensor, rank: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """From one corner to the next all coordinates grow by 1, and one falls by a period."""
    size = len(factors)
    ranked = torch.empty_like(rank).scatter_(0, rank, factors[:, None].expand_as(rank))
    steps = factors.sum() - size * ranked.flip(0)
    first = (nearest.long() * (size * factors)[:, None]).sum(dim=0, keepdim=True) + FIRST
    return torch.cat([first, steps[:-1]]).cumsum(dim=0)


def _weights(rest: torch.Tensor, rank: torch.Tensor) -> torch.Tensor:
    falling = torch.empty_like(rest).scatter_(0, rank, rest)
    first = 1 + falling[-1:] - falling[:1]
    return torch.cat([first, (falling[:-1] - falling[1:]).flip(0)])


class Corners:
    """Spreads points over their corners, and reads them again, on any device.

    Parameters
    ----------
    columns : tensor
        int32 ``(points, corners)``: which vertex each corner is.
    weights : tensor
        float32 of the same shape.
    width : int
        Number of vertices.
    """

    def __init__(self, columns: torch.Tensor, weights: torch.Tensor, width: int) -> None:
        self._corners = list(zip(columns.T, weights.T[..., None], strict=True))
        self._width = width

    def onto(self, values: torch.Tensor) -> torch.Tensor:
        """From ``(points, channels)`` to ``(vertices, channels)``."""
        vertices = values.new_zeros((self._width, values.shape[1]))
        for number, weight in self._corners:
            vertices.index_add_(0, number, weight * values)
        return vertices

    def read(self, vertices: torch.Tensor) -> torch.Tensor:
        """From ``(vertices, channels)`` to ``(points, channels)``."""
        number, weight = self._corners[0]
        values = weight * vertices.index_select(0, number)
        for number, weight in self._corners[1:]:
            values.addcmul_(weight, vertices.index_select(0, number))
        return values


class Matrix:
    """As `Corners`, by a sparse matrix of SciPy: several times quicker on a CPU.

    Parameters
    ----------
    columns, weights, width
        As in `Corners`.
    """

    def __init__(self, columns: torch.Tensor, weights: torch.Tensor, width: int) -> None:
        count, size = weights.shape
        rows = np.arange(0, count * size + 1, size, dtype=np.int32)
        parts = (weights.flatten().numpy(), columns.flatten().numpy(), rows)
        self._matrix = csr_matrix(parts, shape=(count, width), copy=False)

    def onto(self, values: torch.Tensor) -> torch.Tensor:
        """From ``(points, channels)`` to ``(vertices, channels)``."""
        return torch.from_numpy(self._matrix.T @ values.contiguous().numpy())

    def read(self, vertices: torch.Tensor) -> torch.Tensor:
        """From ``(vertices, channels)`` to ``(points, channels)``."""
        return torch.from_numpy(self._matrix @ vertices.numpy())
