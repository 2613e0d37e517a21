"""Split large images into blocks with a margin around each."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np

Region = tuple[slice, ...]


def split_into_blocks(shape: Sequence[int], max_pixels: float) -> Iterator[Region]:
    """Yield blocks of similar size in row-major order, of about `max_pixels` pixels at most.

    They start at even pixels, so that the MRF updates pixels in the same order as without blocks.
    """
    counts = [1] * len(shape)
    while np.prod([-(-n // c) for n, c in zip(shape, counts, strict=True)]) > max(max_pixels, 1):
        longest = max(range(len(shape)), key=lambda i: shape[i] / counts[i])
        counts[longest] += 1
    edges = [
        sorted({n * i // c // 2 * 2 for i in range(c)} | {n})
        for n, c in zip(shape, counts, strict=True)
    ]
    return product(*([slice(*ends) for ends in pairwise(axis)] for axis in edges))


def add_margin(block: Region, margin: Sequence[int], shape: Sequence[int]) -> tuple[Region, Region]:
    """Widen a block within the image; also gives the block's position inside the wider one."""
    axes = zip(block, margin, shape, strict=True)
    outer = tuple(slice(max(0, b.start - m), min(n, b.stop + m)) for b, m, n in axes)
    return outer, relative_to(block, outer)


def relative_to(block: Region, outer: Sequence[slice]) -> Region:
    """Shift a block into the coordinates of a larger one that contains it."""
    axes = zip(block, outer, strict=True)
    return tuple(slice(b.start - o.start, b.stop - o.start) for b, o in axes)
