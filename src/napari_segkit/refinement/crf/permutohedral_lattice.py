"""Bilateral Gaussian filter on the permutohedral lattice (Adams, Baek and Davis 2010)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import torch
from scipy.sparse import csr_matrix

from napari_segkit.images.types import Floats

from .hashing import KeyNumbers
from .simplices import VertexKeys, basis, simplex_vertices

DENSE = 64  # pixels within one sigma (a square, or a cube in 3D) from which the lattice is dense
TABLE = 4  # entries for each corner of a simplex up to which vertices are found without hashing


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
        ones = torch.ones((points.shape[1], 1), device=points.device)
        self._lattice.scale(self._lattice.filter(ones).clamp_min(1e-20).rsqrt())

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter ``(channels, *spatial)``."""
        return self._lattice.filter(values.flatten(1).T).T.reshape(values.shape)


def features(
    intensities: torch.Tensor, sigmas: Sequence[float], start: Sequence[int]
) -> torch.Tensor:
    """Position and intensities ``(dimensions, pixels)``, in units of their sigmas."""
    shape, device = intensities.shape[1:], intensities.device
    found = torch.empty((len(shape) + len(intensities), *shape), device=device)
    for axis, (first, length, sigma) in enumerate(zip(start, shape, sigmas, strict=True)):
        positions = torch.arange(first, first + length, device=device) / sigma
        found[axis] = positions.view([-1 if i == axis else 1 for i in range(len(shape))])
    found[len(shape) :] = intensities
    return found.flatten(1)


class Lattice:
    """Permutohedral lattice around ``(dimensions, points)``, for a Gaussian of sigma one.

    A `dense` lattice also has the neighbours of the vertices around points, so that what is
    blurred out of these can come back, and in few dimensions a finer grid. Where points are far
    apart, that would make more vertices than points.
    """

    def __init__(self, points: torch.Tensor, *, dense: bool = True) -> None:
        self._passes = 2 if dense and len(points) < 5 else 1
        matrix = basis(len(points), self._passes).to(points.device)
        vertex_keys = VertexKeys(matrix, points, margin=int(dense))
        keys, self._weights = simplex_vertices(points, matrix, vertex_keys)
        direct = vertex_keys.length < TABLE * keys.numel()
        length = vertex_keys.length + 1 if direct else None
        vertices = KeyNumbers(keys.flatten(), length)
        if dense:
            around = [sign * step for sign in (1, -1) for step in vertex_keys.steps]
            vertices = KeyNumbers(torch.cat([vertices.keys + i for i in (0, *around)]), length)
        columns = vertices.find(keys.flatten()).int().view_as(keys)
        weights_class = SparseMatrixWeights if points.is_cpu else IndexedWeights
        self.weights = weights_class(columns, self._weights, len(vertices.keys) + 1)
        self._neighbours = [_neighbour_rows(vertices, step) for step in vertex_keys.steps]

    def scale(self, factors: torch.Tensor) -> None:
        """Multiply what goes in and what comes out of each point by ``(points, 1)``."""
        self._weights.mul_(factors)

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


def _neighbour_rows(vertices: KeyNumbers, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Next and previous vertex of each vertex; the last row where there is none."""
    following = vertices.find(vertices.keys + step)
    previous = torch.full_like(following, len(following))
    exists = (following < len(following)).nonzero().flatten()
    previous[following[exists].long()] = exists.to(previous.dtype)
    return following, previous


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
    """The same as `IndexedWeights` by SciPy's sparse matrices, several times faster on a CPU.

    Each thread has a part of the points and a matrix for it.
    """

    def __init__(self, columns: torch.Tensor, weights: torch.Tensor, width: int) -> None:
        self._points, self._threads = len(columns), torch.get_num_threads()
        parts = zip(columns.chunk(self._threads), weights.chunk(self._threads), strict=True)
        self._matrices = [_sparse_matrix(*part, width) for part in parts]
        several = len(self._matrices) > 1
        self._map = ThreadPoolExecutor(self._threads).map if several else map

    def splat(self, values: torch.Tensor) -> torch.Tensor:
        """From ``(points, channels)`` to ``(vertices, channels)``."""
        parts = [part.numpy() for part in values.contiguous().chunk(self._threads)]
        vertices = self._map(lambda matrix, part: matrix.T @ part, self._matrices, parts)
        return torch.from_numpy(sum(vertices))

    def slice(self, vertices: torch.Tensor) -> torch.Tensor:
        """From ``(vertices, channels)`` to ``(points, channels)``."""
        values = vertices.new_empty((self._points, vertices.shape[1]))
        parts = [part.numpy() for part in values.chunk(self._threads)]

        def fill(matrix: csr_matrix, part: Floats) -> None:
            part[:] = matrix @ vertices.numpy()

        list(self._map(fill, self._matrices, parts))
        return values


def _sparse_matrix(columns: torch.Tensor, weights: torch.Tensor, width: int) -> csr_matrix:
    """Matrix ``(points, vertices)`` that shares the memory of its weights."""
    count, size = weights.shape
    rows = np.arange(0, count * size + 1, size)  # SciPy makes them 32 bits where they fit
    arrays = (weights.flatten().numpy(), columns.flatten().numpy(), rows)
    return csr_matrix(arrays, shape=(count, width), copy=False)
