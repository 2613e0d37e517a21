"""The simplex of the permutohedral lattice around each point."""

from math import ceil, floor

import numpy as np
import torch

CHUNK = 2**16  # points handled at once, so that intermediate results stay in the cache


def basis(dimensions: int, passes: int) -> torch.Tensor:
    """Map points to coordinates in which the vertices of the lattice are whole numbers.

    There, its simplices are those of Kuhn's triangulation of the cubic grid: sort a point's
    fractional parts, and from one vertex to the next the coordinate with the next largest one
    grows by 1.

    The scale makes splatting, `passes` of blurring and slicing together have a variance of one.
    It is a little finer still, as their kernel has lighter tails than a Gaussian: by the factor
    that came nearest to the exact kernel on crops of photographs and micrographs.
    """
    finer = ((passes / 2 + 1 / 6) * 3 / 2) ** 0.5 * (1.045 if passes == 1 else 1.025)
    matrix = torch.zeros((dimensions, dimensions))
    for i in range(dimensions):
        scale = finer * (2 / 3) ** 0.5 / ((i + 1) * (i + 2)) ** 0.5
        matrix[i, i] = (i + 2) * scale
        matrix[i + 1 :, i] = scale
    return matrix


class VertexKeys:
    """A key for each vertex: the sum of its coordinates times `factors`, from 1 to `length`.

    Each factor exceeds what the coordinates after it can change along the box around the points,
    as in the digits of a number, so that no vertex shares its key with another one or with a
    neighbour of one. If such keys are too long, the factors are random, and two vertices share a
    key with a probability of 2**-60. `margin` is how many steps there are vertices around those of
    the points' simplices.
    """

    def __init__(self, matrix: torch.Tensor, points: torch.Tensor, margin: int) -> None:
        # on the CPU first: not all devices have float64
        low, high = (ends.cpu().double() for ends in (points.amin(dim=1), points.amax(dim=1)))
        rows, widths = matrix.cpu().double(), (high - low).tolist()
        factors: list[int] = []
        change = around = 0.0
        for i in reversed(range(len(widths))):
            own = rows[i, i].item()
            others = sum(f * c for f, c in zip(factors, rows[i + 1 :, i].tolist(), strict=True))
            factors.insert(0, floor(change - others / own) + 1)
            slope = factors[0] * own + others  # of the key along this feature
            change += (widths[i] + (2 * margin + 3) / own) * slope
            around += (margin + 2) / own * slope
        self.origin, first = ceil(around) + 1, (rows @ low).floor()
        self.length = self.origin + ceil(change) + sum(factors)
        if self.length >= 2**53:
            # small enough for their sum to have 64 bits
            random = np.random.default_rng(0).integers(-(2**59), 2**59, len(widths))
            factors, self.origin = [int(f) | 1 for f in random], 1
        self.steps = [-sum(factors), *factors]  # to the next vertex along each axis of the lattice
        self.first = first.float()[:, None].to(points.device)
        self.factors = torch.tensor(
            factors, dtype=torch.int32 if self.length < 2**31 else torch.int64, device=points.device
        )


def simplex_vertices(
    points: torch.Tensor, matrix: torch.Tensor, vertex_keys: VertexKeys
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and barycentric weights ``(points, corners)`` of the simplex around each point."""
    dimensions, count = points.shape
    shape, factors = (count, dimensions + 1), vertex_keys.factors
    keys = torch.empty(shape, dtype=factors.dtype, device=points.device)
    weights = torch.empty(shape, device=points.device)
    for start in range(0, count, CHUNK):
        chunk = slice(start, start + CHUNK)
        coordinates = torch.addmm(-vertex_keys.first, matrix, points[:, chunk]).clamp_min_(0)
        key = torch.full_like(keys[chunk, 0], vertex_keys.origin)
        for whole, factor in zip(coordinates.int(), factors.tolist(), strict=True):
            key.add_(whole, alpha=factor)
        keys[chunk, 0] = key
        fractions, axes = _sort_descending(coordinates.frac_())
        for i, axis in enumerate(axes, start=1):
            keys[chunk, i] = key.add_(factors.index_select(0, axis))
        weights[chunk, 0] = 1 - fractions[0]
        for i in range(1, dimensions):
            weights[chunk, i] = fractions[i - 1] - fractions[i]
        weights[chunk, dimensions] = fractions[-1]
    return keys, weights


def _sort_descending(values: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Sort the columns of ``(dimensions, points)``, none negative; also the row of each value.

    The bits of such numbers are in the order of the numbers: with the rows below them, one integer
    is sorted for both.
    """
    rows = torch.arange(len(values), device=values.device)[:, None]
    packed = list((values.view(torch.int32).long() << 32) + rows)
    for last in range(1, len(packed)):
        for i in reversed(range(last)):
            one, other = packed[i : i + 2]
            packed[i : i + 2] = torch.maximum(one, other), torch.minimum(one, other)
    return [(p >> 32).int().view(torch.float32) for p in packed], [p.int() for p in packed]
