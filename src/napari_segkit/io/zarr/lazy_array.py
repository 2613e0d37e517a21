"""Zarr arrays that are read piece by piece, in an order of axes of their own."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_segkit.images.types import AnyArray


class ZarrPixels:
    """A zarr array with some of its dimensions, in any order; of the others one pixel.

    That is the first one, or where `at` says. An error of reading names the file of the chunk. What
    is written goes to the array.
    """

    def __init__(
        self, array: Any, folder: Path, dims: Sequence[int], at: Mapping[int, int] | None = None
    ) -> None:
        self.array = array
        self._folder, self._dims, self._at = folder, tuple(dims), dict(at or {})

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the dimensions."""
        return self._shown(self.array.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Lengths of what is read at once."""
        return self._shown(self.array.chunks)

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels."""
        dtype: np.dtype = self.array.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._dims)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return prod(self.shape)

    def without(self, dim: int, at: int) -> "ZarrPixels":
        """The same at one place of one of its dimensions."""
        dims = [d for i, d in enumerate(self._dims) if i != dim]
        return ZarrPixels(self.array, self._folder, dims, {**self._at, self._dims[dim]: at})

    def on(self, array: Any) -> "ZarrPixels":
        """The same of another array, such as this one opened to be written."""
        return ZarrPixels(array, self._folder, self._dims, self._at)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> AnyArray:
        places, order = self._stored(index)
        try:
            return np.asarray(self.array[places]).transpose(order)
        except (IndexError, MemoryError):
            raise
        except Exception:
            for corner in self._corners(places):
                self._require_readable(corner)
            raise

    def __setitem__(self, index: Any, values: Any) -> None:
        places, order = self._stored(index)
        if np.ndim(values) == len(order):
            values = np.transpose(values, np.argsort(order))
        self.array[places] = values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)

    def _shown(self, lengths: Sequence[int]) -> tuple[int, ...]:
        return tuple(lengths[dim] for dim in self._dims)

    def _stored(self, index: Any) -> tuple[Any, list[int]]:
        """An index of the array, and the order that its dimensions get afterwards."""
        if isinstance(index, np.ndarray) and index.dtype == bool:
            index = index.nonzero()
        each = _of_each_dimension(index, self.ndim)
        places: list[Any] = [self._at.get(dim, 0) for dim in range(self.array.ndim)]
        for dim, place in zip(self._dims, each, strict=True):
            places[dim] = place
        kept = [d for d, place in zip(self._dims, each, strict=True) if isinstance(place, slice)]
        if kept or not any(np.ndim(place) for place in each):
            return tuple(places), [sorted(kept).index(dim) for dim in kept]
        points = np.broadcast_arrays(*places)  # one index for each pixel
        return tuple(points), list(range(points[0].ndim))

    def _require_readable(self, corner: Sequence[int]) -> None:
        """OSError that names the file of a chunk, if it cannot be read."""
        start = [c * n for c, n in zip(corner, self.array.chunks, strict=True)]
        stop = [s + n for s, n in zip(start, self.array.chunks, strict=True)]
        try:
            self.array[tuple(map(slice, start, stop))]
        except Exception as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise OSError(
                f"{self._file(corner)} cannot be read ({reason}): copy the image again from where "
                "it came, or remove this file to read its pixels as empty."
            ) from error

    def _corners(self, places: Any) -> Any:
        """The chunks that an index reads."""
        bounds = zip(places, self.array.shape, self.array.chunks, strict=True)
        return product(*(_chunks(place, length, chunk) for place, length, chunk in bounds))

    def _file(self, corner: Sequence[int]) -> Path:
        shards, chunks = self.array.shards or self.array.chunks, self.array.chunks
        number = tuple(c * n // s for c, n, s in zip(corner, chunks, shards, strict=True))
        return self._folder / self.array.path / self.array.metadata.encode_chunk_key(number)


def _of_each_dimension(index: Any, ndim: int) -> list[Any]:
    """An index with one entry for each dimension."""
    entries = list(index) if isinstance(index, tuple) else [index]
    at = next((i for i, entry in enumerate(entries) if entry is Ellipsis), len(entries))
    missing = [slice(None)] * (ndim - len(entries) + (at < len(entries)))
    return [*entries[:at], *missing, *entries[at + 1 :]]


def _chunks(place: Any, length: int, chunk: int) -> Sequence[int]:
    if isinstance(place, slice):
        start, stop, _ = place.indices(length)
        return range(start // chunk, -(-stop // chunk))
    numbers: list[int] = np.unique(np.asarray(place) % length // chunk).tolist()
    return numbers
