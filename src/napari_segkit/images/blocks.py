"""Parts of an array that are read one after the other."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil, prod

from .types import LazyArray

MAX_BLOCK = 2**24  # pixels that are read at once


def blocks_of(array: LazyArray) -> Iterator[tuple[slice, ...]]:
    """Blocks of whole chunks, each small enough to be read, unless a chunk is larger."""
    return blocks(array.shape, chunk_of(array), MAX_BLOCK)


def blocks(shape: Sequence[int], chunk: Sequence[int], largest: int) -> Iterator[tuple[slice, ...]]:
    """Blocks of whole chunks that have `largest` pixels at most, unless a chunk has more."""
    lengths = list(chunk)
    for axis in reversed(range(len(shape))):
        room = max(1, largest // prod(lengths))
        lengths[axis] *= min(room, ceil(shape[axis] / lengths[axis]))
    starts = (range(0, n, length) for n, length in zip(shape, lengths, strict=True))
    for corner in product(*starts):
        sides = zip(corner, lengths, shape, strict=True)
        yield tuple(slice(c, min(c + length, n)) for c, length, n in sides)


def slabs_of(shape: Sequence[int]) -> Iterator[slice]:
    """Slabs along the first axis."""
    height = max(1, MAX_BLOCK // prod(shape[1:]))
    for start in range(0, shape[0], height):
        yield slice(start, min(start + height, shape[0]))


def chunk_of(array: LazyArray) -> Sequence[int]:
    """Lengths of the chunks of dask and zarr; single pixels of what has none."""
    chunks = getattr(array, "chunks", None) or (1,) * array.ndim
    return [max(1, *c) if isinstance(c, tuple) else max(1, c) for c in chunks]
