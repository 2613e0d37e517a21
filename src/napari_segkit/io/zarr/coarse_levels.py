"""Coarse levels of a zarr array: each half as large, made block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import Spacing

SMALLEST = 512  # pixels along Y and X of the coarsest level, at most
THICK = 1.5  # Z is halved where its steps are at most so many of those along Y and X
Method = Literal["nearest", "mean"]


@dataclass(frozen=True)
class CoarseBlock:
    """One file of a coarse level, and what it is made of."""

    finer: Any  # zarr arrays
    coarser: Any
    corner: tuple[int, ...]  # in files of the coarser one
    method: Method

    def write(self) -> None:
        """Make it, unless that is done: these files are written whole, even if they are empty."""
        if self._path().exists():
            return
        lengths = file_shape(self.coarser)
        region = tuple(
            slice(c * n, min(c * n + n, end))
            for c, n, end in zip(self.corner, lengths, self.coarser.shape, strict=True)
        )
        by = _factors(self.finer.shape, self.coarser.shape)
        source = tuple(slice(r.start * f, r.stop * f) for r, f in zip(region, by, strict=True))
        values = reduced(np.asarray(self.finer[source]), by, self.method)
        self.coarser[region] = values

    def _path(self) -> Path:
        key = self.coarser.metadata.encode_chunk_key(self.corner)
        return Path(self.coarser.store.root, self.coarser.path, key)


def level_factors(axes: str, shape: Sequence[int], spacing: Spacing) -> list[dict[str, int]]:
    """By how much each level, the finest first, is coarser along the axes of space."""
    lengths = {axis: n for axis, n in zip(axes, shape, strict=True) if axis in SPATIAL}
    steps = dict(zip(SPATIAL, spacing, strict=True))
    factors = [dict.fromkeys(lengths, 1)]
    while max(n for axis, n in lengths.items() if axis in "YX") > SMALLEST:
        widest = max(steps[axis] for axis in lengths if axis in "YX")
        halved = [a for a, n in lengths.items() if n > 1 and steps[a] <= THICK * widest]
        for axis in halved:
            lengths[axis], steps[axis] = ceil(lengths[axis] / 2), steps[axis] * 2
        factors.append({a: f * (2 if a in halved else 1) for a, f in factors[-1].items()})
    return factors


def coarse_blocks(levels: Sequence[Any], method: Method) -> Iterator[CoarseBlock]:
    """The files of all coarse levels, each level after the one that it is made of."""
    import zarr

    for finer, level in pairwise(levels):
        coarser: Any = zarr.open_array(
            level.store, path=level.path, mode="r+", config={"write_empty_chunks": True}
        )
        counts = [
            range(ceil(n / length))
            for n, length in zip(coarser.shape, file_shape(coarser), strict=True)
        ]
        for corner in product(*counts):
            yield CoarseBlock(finer, coarser, corner, method)


def file_shape(array: Any) -> tuple[int, ...]:
    """Shape of what lies in one file: a shard, or a chunk where there are none."""
    shape: tuple[int, ...] = array.shards or array.chunks
    return shape


def reduced(values: AnyArray, factors: Sequence[int], method: Method) -> AnyArray:
    """One value for so many along each dimension; at the end, of those that are there."""
    if method == "nearest":
        return values[tuple(slice(None, None, f) for f in factors)]
    for dim, factor in enumerate(factors):
        if factor > 1:
            values = _means(values, factor, dim)
    return values


def _means(values: AnyArray, factor: int, dim: int) -> AnyArray:
    starts = np.arange(0, values.shape[dim], factor)
    counts = np.diff(starts, append=values.shape[dim]).astype(values.dtype)
    sums = np.add.reduceat(values, starts, axis=dim)
    return sums / counts.reshape([-1 if d == dim else 1 for d in range(values.ndim)])


def _factors(finer: Sequence[int], coarser: Sequence[int]) -> tuple[int, ...]:
    return tuple(1 if f == c else 2 for f, c in zip(finer, coarser, strict=True))
