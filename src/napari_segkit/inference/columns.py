"""Columns of cells that are blended one after the other, where whole rows need too much memory."""

from collections.abc import Sequence
from math import ceil, prod
from typing import TYPE_CHECKING

from napari_segkit.models import outputs
from napari_segkit.tiling import Cell

if TYPE_CHECKING:
    from .plan import TilePlan

FLOAT = 4  # bytes
MAX_OPEN = 2**28  # bytes of the sums of cells that are not complete yet


def in_columns(plan: "TilePlan", cells: Sequence[Cell]) -> list[list[Cell]]:
    """Divide cells, in the order of the grid, along the longest axis but the first.

    The tiles at the edge of a column are predicted for both of its sides.
    """
    box = [slice(min(s.start for s in a), max(s.stop for s in a)) for a in _sides(cells)]
    wanted = ceil(open_bytes(plan, box) / MAX_OPEN)
    if wanted <= 1:
        return [list(cells)]
    lengths = [side.stop - side.start for side in box]
    axis = max(range(1, len(box)), key=lambda a: lengths[a])
    starts = sorted({cell.start[axis] for cell in cells})
    count = min(wanted, len(starts))
    number = {start: n * count // len(starts) for n, start in enumerate(starts)}
    columns: list[list[Cell]] = [[] for _ in range(count)]
    for cell in cells:
        columns[number[cell.start[axis]]].append(cell)
    return columns


def open_bytes(plan: "TilePlan", box: Sequence[slice]) -> int:
    """Bytes of the sums of the cells of a box that a row of tiles leaves open: its overlap."""
    model = plan.model
    maps = max(len(model.classes), outputs(model.spec, len(model.classes), model.config))
    across = prod([side.stop - side.start for side in box[1:]])
    return plan.grid.overlap[0] * across * FLOAT * maps


def _sides(cells: Sequence[Cell]) -> list[list[slice]]:
    """The sides of all cells, axis by axis."""
    return [list(sides) for sides in zip(*[cell.region for cell in cells], strict=True)]
