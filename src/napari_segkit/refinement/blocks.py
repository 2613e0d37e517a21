"""Large images block by block: where the blocks lie, and the margin around each."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

Region = tuple[slice, ...]
Floats = NDArray[np.float32]

# What smooths a block: from its probabilities, its scaled intensities (None where the image does
# not count) and its first pixel's place in the image.
Smooth = Callable[[Floats, Floats | None, Sequence[int]], Floats]


def regions(lengths: Sequence[int], largest: float) -> Iterator[Region]:
    """The blocks that cover an image, in order and much alike in size.

    They start at even pixels: what takes even and odd ones in turn does so as in the whole.

    Parameters
    ----------
    lengths : sequence of int
        Of the spatial axes, in pixels.
    largest : float
        Pixels of a block at most, give or take one along each axis.
    """
    parts = [1] * len(lengths)
    while np.prod([-(-n // p) for n, p in zip(lengths, parts, strict=True)]) > max(largest, 1):
        longest = max(range(len(lengths)), key=lambda i: lengths[i] / parts[i])
        parts[longest] += 1
    counted = zip(lengths, parts, strict=True)
    edges = [sorted({n * i // p // 2 * 2 for i in range(p)} | {n}) for n, p in counted]
    return product(*([slice(*ends) for ends in pairwise(along)] for along in edges))


def widened(block: Region, halo: Sequence[int], lengths: Sequence[int]) -> tuple[Region, Region]:
    """A block with a margin around it, and where the block lies inside that."""
    along = list(zip(block, halo, lengths, strict=True))
    wide = [slice(max(0, b.start - h), min(n, b.stop + h)) for b, h, n in along]
    return tuple(wide), moved(block, wide)


def moved(block: Region, wide: Sequence[slice]) -> Region:
    """Where a block lies inside a larger one."""
    along = zip(block, wide, strict=True)
    return tuple(slice(b.start - w.start, b.stop - w.start) for b, w in along)
