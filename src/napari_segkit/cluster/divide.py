"""Divide cells of frames into blocks, so that the workers have about as much to do each."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from math import ceil, prod

from napari_segkit.inference.plan import TilePlan
from napari_segkit.tiling import Cell

MAX_BYTES = 2**26  # of the pixels and results of a block
LENGTHS = 16  # numbers of cells that are tried along an axis


def blocks_of(
    plan: TilePlan, cells: Sequence[Cell], frames: int, workers: int, *, probabilities: bool
) -> list[list[Cell]]:
    """Cells of one of several frames in blocks for so many workers.

    Neighbouring blocks both predict the tiles between them: the fewer and the more alike to a
    square they are, the less is predicted twice.
    """
    if plan.needs_whole_frames or not cells:
        return [[cell] for cell in cells]
    steps = plan.grid.steps
    places = [tuple(s // n for s, n in zip(c.start, steps, strict=True)) for c in cells]
    counts = [max(p) - min(p) + 1 for p in zip(*places, strict=True)]
    largest = MAX_BYTES // (_bytes_per_pixel(plan, probabilities=probabilities) * prod(steps))
    lengths = _lengths(counts, max(1, largest), frames, workers)
    first = [min(p) for p in zip(*places, strict=True)]
    blocks: dict[tuple[int, ...], list[Cell]] = defaultdict(list)
    for place, cell in zip(places, cells, strict=True):
        key = zip(place, first, lengths, strict=True)
        blocks[tuple((p - f) // n for p, f, n in key)].append(cell)
    return list(blocks.values())


def _lengths(counts: Sequence[int], largest: int, frames: int, workers: int) -> tuple[int, ...]:
    """Cells of a block along each axis with which all workers are ready first."""

    def time(lengths: tuple[int, ...]) -> tuple[int, int]:
        blocks = frames * prod(ceil(n / m) for n, m in zip(counts, lengths, strict=True))
        tiles = prod(min(m + 1, n) for n, m in zip(counts, lengths, strict=True))
        return ceil(blocks / workers) * tiles, prod(lengths)

    tried = [sorted({ceil(n / k) for k in range(1, n + 1)})[:LENGTHS] for n in counts]
    fitting = [lengths for lengths in product(*tried) if prod(lengths) <= largest]
    return min(fitting, key=time)


def _bytes_per_pixel(plan: TilePlan, *, probabilities: bool) -> int:
    image, model = plan.original, plan.model
    maps = probabilities * len(model.classes) + (plan.settings.uncertainty is not None)
    return image.channels * image.data.dtype.itemsize + 2 + 4 * maps
