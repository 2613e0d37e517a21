"""Bilateral Gaussian filter on the permutohedral lattice (Adams, Baek and Davis 2010)."""

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from operator import mul

import numpy as np
import torch
from scipy.sparse import csr_matrix

from .hashing import unique

CHUNK = 2**15  # points handled at once, so that intermediate results stay in the cache
DENSE = 64  # pixels within one sigma (a square, or a cube in 3D) from which the lattice is dense
ORIGIN_KEY = 2**61 + 1  # so that no key is 0


class BilateralKernel:
    """Gaussian filter over position and intensity, normalised on both sides.

    Splats pixels onto the lattice, blurs its vertices and slices the result, in time proportional
    to the pixels whatever the sigmas. `intensities` ``(C, *spatial)`` are in units of their sigma,
    `sigmas` in pixels; `start` is the block's position, so that all blocks share one lattice.
    """

    def __init__(
        self,
        intensities: torch.Tensor,
        sigmas: Sequence[float],
        start: Sequence[int] | None = None,
    ) -> None:
        points = features(intensities, sigmas, start or [0] * len(sigmas))
        self._lattice = Lattice(points, dense=prod(sigmas) >= DENSE)
        ones = torch.ones((1, *intensities.shape[1:]), device=intensities.device)
        self._norm = self._filter(ones).clamp_min(1e-20).rsqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *spatial)``."""
        return self._norm * self._filter(values * self._norm)

    def _filter(self, values: torch.Tensor) -> torch.Tensor:
        return self._lattice.filter(values.flatten(1).T).T.reshape(values.shape)


def features(
    intensities: torch.Tensor, sigmas: Sequence[float], start: Sequence[int]
) -> torch.Tensor:
    """Position and intensities ``(dimensions, pixels)``, in units of their sigmas."""
    shape, device = intensities.shape[1:], intensities.device
    axes = [
        torch.arange(first, first + length, device=device) / sigma
        for first, length, sigma in zip(start, shape, sigmas, strict=True)
    ]
    positions = [axis.expand(shape).flatten() for axis in torch.meshgrid(*axes, indexing="ij")]
    return torch.cat([torch.stack(positions), intensities.flatten(1)])


class Lattice:
    """Permutohedral lattice around ``(dimensions, points)``, for a Gaussian of sigma one.

    A `dense` lattice also has the neighbours of the vertices around points, so that what is
    blurred out of these can come back, and in few dimensions a finer grid. Where points are far
    apart, that would make more vertices than points.
    """

    def __init__(self, points: torch.Tensor, *, dense: bool = True) -> None:
        self._passes = 2 if dense and len(points) < 5 else 1
        elevation = _elevation_matrix(len(points) + 1, self._passes).to(points.device)
        factors = _hash_factors(elevation, points)
        keys, weights = _simplex_vertices(points, elevation, factors)
        steps = factors.sum() - len(factors) * factors  # to the next vertex along each axis
        offsets = torch.zeros_like(steps[:1])
        if dense:
            offsets = torch.cat([offsets, steps, -steps])
        splatted, index = unique(keys.flatten())
        self._vertices, columns = unique((splatted[:, None] + offsets).flatten())
        columns = columns[:: len(offsets)].int()[index]
        weights_class = SparseMatrixWeights if points.is_cpu else IndexedWeights
        self.weights = weights_class(columns.view_as(weights), weights, len(self._vertices) + 1)
        self._neighbours = [self._neighbour_rows(step) for step in steps]

    def _neighbour_rows(self, step: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Next and previous vertex of each vertex; the last row where there is none."""
        count = len(self._vertices)
        keys = self._vertices + step
        rows = torch.searchsorted(self._vertices, keys)
        exists = self._vertices[rows.clamp(max=count - 1)] == keys
        following = torch.where(exists, rows, count)
        previous = torch.full_like(following, count)
        previous[rows[exists]] = exists.nonzero().flatten()
        return following, previous

    def filter(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(points, channels)``."""
        return self.weights.slice(self._blur(self.weights.splat(values)))

    def _blur(self, vertices: torch.Tensor) -> torch.Tensor:
        """Blur by (1, 2, 1) along each axis; the last row stands for missing vertices."""
        for _ in range(self._passes):
            for following, previous in self._neighbours:
                neighbours = vertices.index_select(0, following)
                neighbours += vertices.index_select(0, previous)
                vertices[:-1] += neighbours.mul_(0.5)
        return vertices


def _elevation_matrix(size: int, passes: int) -> torch.Tensor:
    """Map points to the hyperplane of the lattice, in units of its period (section 3.1).

    The scale makes splatting, blurring and slicing together have a variance of one. It is a little
    finer still, as their kernel has lighter tails than a Gaussian: by the factor that came nearest
    to the exact kernel on crops of photographs and micrographs.
    """
    finer = ((passes / 2 + 1 / 6) * 3 / 2) ** 0.5 * (1.045 if passes == 1 else 1.025)
    matrix = torch.zeros((size, size - 1))
    for i in range(1, size):
        scale = finer * (2 / 3) ** 0.5 / (i * (i + 1)) ** 0.5
        matrix[:i, i - 1] = scale
        matrix[i, i - 1] = -i * scale
    return matrix


def _hash_factors(elevation: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Factors that turn the coordinates of a vertex into its key.

    Digits of one number where they fit into 60 bits, so that near vertices have near keys; else
    random factors, with which two vertices share a key with a probability of 2**-64.
    """
    size = len(elevation)
    low, high = points.aminmax(dim=1)
    extent = elevation.abs() @ (high - low)
    digits = [size * (int(length) + 6) for length in extent[1:]]  # the last follows from them
    if prod(digits) < 2**60:
        factors = [0, *accumulate([1, *digits[:-1]], mul)]
    else:
        factors = [f | 1 for f in np.random.default_rng(0).integers(-(2**62), 2**62, size).tolist()]
    return torch.tensor(factors, dtype=torch.int64, device=points.device)


def _simplex_vertices(
    points: torch.Tensor, elevation: torch.Tensor, factors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and barycentric weights ``(points, size)`` of the simplex around each point."""
    size, count = len(factors), points.shape[1]
    keys = torch.empty((count, size), dtype=torch.int64, device=points.device)
    weights = torch.empty((count, size), device=points.device)
    origin = (elevation @ points[:, :1]).round()  # keeps keys small wherever the points are
    for start in range(0, count, CHUNK):
        chunk = slice(start, start + CHUNK)
        nearest, residual, rank = _nearest_vertex(elevation @ points[:, chunk])
        keys[chunk] = _keys(nearest - origin, rank, factors).T
        weights[chunk] = _barycentric(residual, rank).T
    return keys, weights


def _nearest_vertex(
    elevated: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Nearest remainder-0 vertex, the residual, and the rank of each residual coordinate."""
    size = len(elevated)
    nearest = elevated.round()
    residual = elevated - nearest
    rank = nearest.sum(dim=0).to(torch.int8).repeat(size, 1)
    for i in range(size - 1):
        less = residual[i] < residual[i + 1 :]
        rank[i] += less.sum(dim=0, dtype=torch.int8)
        rank[i + 1 :] += ~less
    wrap = (rank < 0).to(torch.int8) - (rank >= size).to(torch.int8)
    return nearest + wrap, residual - wrap, (rank + size * wrap).long()


def _keys(nearest: torch.Tensor, rank: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Keys of a simplex: from one vertex to the next, all coordinates grow by 1, one falls."""
    size = len(factors)
    ranked = torch.empty_like(rank).scatter_(0, rank, factors[:, None].expand_as(rank))
    steps = factors.sum() - size * ranked.flip(0)
    first = (nearest.long() * (size * factors)[:, None]).sum(dim=0, keepdim=True) + ORIGIN_KEY
    return torch.cat([first, steps[:-1]]).cumsum(dim=0)


def _barycentric(residual: torch.Tensor, rank: torch.Tensor) -> torch.Tensor:
    descending = torch.empty_like(residual).scatter_(0, rank, residual)
    first = 1 + descending[-1:] - descending[:1]
    return torch.cat([first, (descending[:-1] - descending[1:]).flip(0)])


class IndexedWeights:
    """Splat and slice by index, on any device.

    `columns` (int32) and `weights` (float32) ``(points, corners)``: the vertices of each point's
    simplex; `width`: number of vertices.
    """

    def __init__(self, columns: torch.Tensor, weights: torch.Tensor, width: int) -> None:
        self._corners = list(zip(columns.T, weights.T[..., None], strict=True))
        self._width = width

    def splat(self, values: torch.Tensor) -> torch.Tensor:
        """From ``(points, channels)`` to ``(vertices, channels)``."""
        vertices = values.new_zeros((self._width, values.shape[1]))
        for index, weight in self._corners:
            vertices.index_add_(0, index, weight * values)
        return vertices

    def slice(self, vertices: torch.Tensor) -> torch.Tensor:
        """From ``(vertices, channels)`` to ``(points, channels)``."""
        index, weight = self._corners[0]
        values = weight * vertices.index_select(0, index)
        for index, weight in self._corners[1:]:
            values.addcmul_(weight, vertices.index_select(0, index))
        return values


class SparseMatrixWeights:
    """The same as `IndexedWeights` by a SciPy sparse matrix, several times faster on a CPU."""

    def __init__(self, columns: torch.Tensor, weights: torch.Tensor, width: int) -> None:
        count, size = weights.shape
        rows = np.arange(0, count * size + 1, size, dtype=np.int32)
        arrays = (weights.flatten().numpy(), columns.flatten().numpy(), rows)
        self._matrix = csr_matrix(arrays, shape=(count, width), copy=False)

    def splat(self, values: torch.Tensor) -> torch.Tensor:
        """From ``(points, channels)`` to ``(vertices, channels)``."""
        return torch.from_numpy(self._matrix.T @ values.contiguous().numpy())

    def slice(self, vertices: torch.Tensor) -> torch.Tensor:
        """From ``(vertices, channels)`` to ``(points, channels)``."""
        return torch.from_numpy(self._matrix @ vertices.numpy())
