"""Parts of an array that are read one after the other."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import ceil, prod

from napari_segkit.images.types import LazyArray

MAX_BLOCK = 2**24  # pixels that are read at once


def blocks_of(array: LazyArray) -> Iterator[tuple[slice, ...]]:
    """Blocks of whole chunks, each small enough to be read, unless a chunk is larger."""
    lengths = list(_chunk(array))
    for axis in reversed(range(array.ndim)):
        room = max(1, MAX_BLOCK // prod(lengths))
        lengths[axis] *= min(room, ceil(array.shape[axis] / lengths[axis]))
    starts = (range(0, n, length) for n, length in zip(array.shape, lengths, strict=True))
    for corner in product(*starts):
        yield tuple(slice(c, c + length) for c, length in zip(corner, lengths, strict=True))


def slabs_of(shape: Sequence[int]) -> Iterator[slice]:
    """Slabs along the first axis."""
    height = max(1, MAX_BLOCK // prod(shape[1:]))
    for start in range(0, shape[0], height):
        yield slice(start, min(start + height, shape[0]))


def _chunk(array: LazyArray) -> Sequence[int]:
    """Lengths of the chunks of dask and zarr; single pixels of what has none."""
    chunks = getattr(array, "chunks", None) or (1,) * array.ndim
    return [max(1, *c) if isinstance(c, tuple) else max(1, c) for c in chunks]
