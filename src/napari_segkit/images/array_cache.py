"""Arrays that are made when they are read, and kept as far as there is room for them."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from .types import AnyArray, LazyArray

CACHE_BYTES = 2**30
MAPPED_FILE = 2**22  # counted for a file that is mapped, so that not too many are open


class ArrayCache:
    """The arrays read last, of so many bytes in total; the last one stays however large it is."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit, self.size = limit, 0
        self._arrays: OrderedDict[CachedArray, AnyArray] = OrderedDict()
        self._lock = Lock()

    def read(self, array: "CachedArray") -> AnyArray:
        """The pixels of an array, made if they are not kept."""
        with self._lock:
            if (kept := self._arrays.get(array)) is not None:
                self._arrays.move_to_end(array)
                return kept
        return self.keep(array, array.make())  # made without the lock: other threads may read

    def keep(self, array: "CachedArray", pixels: AnyArray) -> AnyArray:
        """Keep pixels that were made elsewhere."""
        if tuple(pixels.shape) != array.shape or pixels.dtype != array.dtype:
            raise changed_error(array.name)
        with self._lock:
            if array not in self._arrays:
                self._arrays[array] = pixels
                self.size += _bytes(pixels)
            while self.size > self.limit and len(self._arrays) > 1:
                _, oldest = self._arrays.popitem(last=False)
                self.size -= _bytes(oldest)
        return pixels


@dataclass(frozen=True, eq=False)
class CachedArray:
    """An array that a function makes as a whole, such as the pixels of a file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    make: Callable[[], AnyArray]
    cache: ArrayCache
    name: str = "an image"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> AnyArray:
        return self.cache.read(self)[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self.cache.read(self), dtype)

    def viewed(self, view: Callable[[AnyArray], AnyArray]) -> "CachedArray":
        """Another view of the pixels, which takes no memory."""
        shape = view(np.broadcast_to(np.zeros(1, self.dtype), self.shape)).shape
        return CachedArray(
            shape, self.dtype, lambda: view(self.cache.read(self)), self.cache, self.name
        )


@dataclass(frozen=True, eq=False)
class MappedArray:
    """An array whose pixels are each a function of that pixel of another one."""

    base: LazyArray
    function: Callable[[AnyArray], AnyArray]
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.base.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> AnyArray:
        return self.function(np.asarray(self.base[index]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self.function(np.asarray(self.base)), dtype)


@dataclass(frozen=True, eq=False)
class MaskedArray:
    """An array with another value where a mask, in memory, is `hidden`; the mask may change."""

    base: LazyArray
    mask: AnyArray
    value: int
    hidden: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.base.shape)

    @property
    def dtype(self) -> np.dtype:
        return self.base.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> AnyArray:
        pixels = np.asarray(self.base[index])
        return np.where(self.mask[index] == self.hidden, self.dtype.type(self.value), pixels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)


def changed_error(name: str) -> ValueError:
    """What is said of a file that is not as it was when it was read first."""
    return ValueError(
        f"{name} changed since the training began: leave the files of a training as they are, or "
        "train anew."
    )


def _bytes(pixels: AnyArray) -> int:
    """Memory that is freed with an array; a mapped file has a handle, which are few."""
    return MAPPED_FILE if isinstance(pixels, np.memmap) else pixels.nbytes


def cached(
    cache: ArrayCache, make: Callable[[], AnyArray], pixels: AnyArray, name: str = "an image"
) -> CachedArray:
    """An array that was made once already: its pixels are kept."""
    array = CachedArray(tuple(pixels.shape), pixels.dtype, make, cache, name)
    cache.keep(array, pixels)
    return array
