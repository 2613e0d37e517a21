"""Labels of the levels of an image: in memory what is looked at, the rest in a temporary zarr."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.regions import Box, intersection, lengths, relative
from napari_segkit.images.types import AnyArray, Labels

if TYPE_CHECKING:
    import zarr

MEMORY = 2**28  # bytes of chunks in memory
Key: TypeAlias = tuple[int, ...]  # level, then the chunk's place along each axis
Codes: TypeAlias = NDArray[np.unsignedinteger[Any]]
Places: TypeAlias = list[NDArray[np.intp]]


class ViewCache:
    """Labels of an image and of its coarser levels, written cell by cell and read while they are.

    A pixel is unknown, a preview, or predicted: a preview never replaces what is predicted. What is
    unknown at a level is read from the next coarser one that knows it. One thread writes, others
    may read; they see what is in memory, until `reads_disk` is set. What has no room in memory goes
    to a zarr in a temporary folder, which `close`, the garbage collector or the end of Python
    removes.

    Parameters
    ----------
    shapes : sequence of tuple
        Shape of each level, finest first.
    chunk : tuple of int
        Shape of a chunk, the same at every level.
    values : iterable of int
        The values that labels may have, besides 0.
    memory : int
        Bytes of chunks that are held in memory.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        chunk: tuple[int, ...],
        values: Sequence[int],
        memory: int = MEMORY,
    ) -> None:
        self.shapes, self._chunk, self._memory = tuple(shapes), chunk, memory
        self._values = np.unique([0, *values])
        self.dtype = np.min_scalar_type(self._values[-1])
        # a code is 0 where nothing is known, else 1 + the number of a value; of previews more
        self._value_of = np.array([0, *self._values, *self._values], self.dtype)
        self._codes_dtype = np.min_scalar_type(len(self._value_of))
        self._chunks: OrderedDict[Key, Codes] = OrderedDict()  # last used last
        self._bytes = 0
        self._unsaved: set[Key] = set()
        self._on_disk: set[Key] = set()
        self._folder: TemporaryDirectory[str] | None = None
        self._arrays: dict[int, zarr.Array[Any]] = {}
        self.reads_disk = False  # by whoever reads: slower, but there is nobody who loads it
        self.count = 0  # of what was written: more than before, there is something new

    @property
    def folder(self) -> Path | None:
        """The temporary folder; None until memory is full."""
        return None if self._folder is None else Path(self._folder.name)

    def views(self) -> "list[LevelView]":
        """The levels as arrays, finest first."""
        return [LevelView(self, level) for level in range(len(self.shapes))]

    def write(self, box: Box, labels: Labels) -> None:
        """Take predicted labels of a box of the finest level; coarser ones get a part of them."""
        codes = self._encoded(labels)
        for level in range(len(self.shapes)):
            coarse, places = self._sampled(level, box)
            if 0 not in lengths(coarse):
                self._store(level, coarse, _taken(codes, places), is_preview=False)
        self.count += 1

    def write_preview(self, level: int, box: Box, labels: Labels) -> None:
        """Take labels of a box of a level that are shown until better ones are known."""
        codes = self._encoded(labels) + self._codes_dtype.type(len(self._values))
        self._store(level, box, codes, is_preview=True)
        self.count += 1

    def box_at(self, level: int, box: Box) -> Box:
        """The box of a level around a box of the finest one."""
        return self._nearest(0, level, box)[0]

    def load(self, level: int, box: Box) -> None:
        """Bring a box of the finest level to memory, as a level and all coarser ones show it."""
        for other in range(level, len(self.shapes)):
            around = self.box_at(other, box)
            for key, _ in self._keys(other, around):
                if key in self._chunks or key in self._on_disk:
                    self._chunk_at(key)
        self.count += 1

    def read(self, level: int, box: Box) -> AnyArray:
        """The labels of a box of a level; 0 where nothing is known."""
        return self._value_of.take(self._shown(level, box))

    def is_predicted(self, level: int, box: Box) -> bool:
        """Whether all of a box of a level is predicted."""
        codes = self._codes(level, box)
        return bool(codes.min(initial=1) > 0) and not self._has_previews(codes)

    def shows_preview(self, level: int, box: Box) -> bool:
        """Whether anything in a box of a level is shown as a preview."""
        return self._has_previews(self._shown(level, box))

    def close(self) -> None:
        """Forget everything and remove the folder."""
        self._chunks.clear()
        self._unsaved.clear()
        self._on_disk.clear()
        self._arrays.clear()
        self._bytes = 0
        if self._folder is not None:
            self._folder.cleanup()

    def _encoded(self, labels: Labels) -> Codes:
        return (np.searchsorted(self._values, labels) + 1).astype(self._codes_dtype)

    def _has_previews(self, codes: Codes) -> bool:
        return bool(codes.max(initial=0) > len(self._values))

    def _shown(self, level: int, box: Box) -> Codes:
        """What is known of a box of a level, else of the next coarser one that knows it."""
        codes = self._codes(level, box)
        for coarser in range(level + 1, len(self.shapes)):
            unknown = codes == 0
            if not unknown.any():
                break
            around, places = self._nearest(level, coarser, box)
            np.copyto(codes, _taken(self._codes(coarser, around), places), where=unknown)
        return codes

    def _codes(self, level: int, box: Box) -> Codes:
        """What is known of a box of a level, without coarser ones."""
        codes = np.zeros(lengths(box), self._codes_dtype)
        for key, own in self._keys(level, box):
            chunk = self._chunks.get(key)
            if chunk is None and self.reads_disk and key in self._on_disk:
                chunk = self._loaded(key)
            shared = intersection(own, box)
            if chunk is not None and shared is not None:
                codes[relative(shared, box)] = chunk[relative(shared, own)]
        return codes

    def _store(self, level: int, box: Box, codes: Codes, *, is_preview: bool) -> None:
        for key, own in self._keys(level, box):
            shared = intersection(own, box)
            if shared is None:
                continue
            target = self._chunk_at(key)[relative(shared, own)]
            is_open = (target == 0) | (target > len(self._values)) if is_preview else True
            np.copyto(target, codes[relative(shared, box)], where=is_open)
            self._unsaved.add(key)

    def _chunk_at(self, key: Key) -> Codes:
        """A chunk to be written to; others leave memory for it, those used last ones last."""
        if key in self._chunks:
            self._chunks.move_to_end(key)
            return self._chunks[key]
        chunk = self._loaded(key) if key in self._on_disk else self._new_chunk(key)
        self._chunks[key] = chunk
        self._bytes += chunk.nbytes
        while self._bytes > self._memory and len(self._chunks) > 1:
            self._evict()
        return chunk

    def _new_chunk(self, key: Key) -> Codes:
        return np.zeros(lengths(self._box(key)), self._codes_dtype)

    def _evict(self) -> None:
        key = next(iter(self._chunks))
        if key in self._unsaved:
            self._array(key[0])[self._box(key)] = self._chunks[key]
            self._unsaved.discard(key)
            self._on_disk.add(key)
        self._bytes -= self._chunks.pop(key).nbytes

    def _loaded(self, key: Key) -> Codes:
        return np.asarray(self._array(key[0])[self._box(key)])

    def _array(self, level: int) -> "zarr.Array[Any]":
        if level not in self._arrays:
            self._folder = self._folder or TemporaryDirectory(
                prefix="segkit-view-", ignore_cleanup_errors=True
            )
            import zarr

            self._arrays[level] = zarr.create_array(
                f"{self._folder.name}/{level}",
                shape=self.shapes[level],
                chunks=self._chunk,
                dtype=self._codes_dtype,
            )
        return self._arrays[level]

    def _keys(self, level: int, box: Box) -> Iterator[tuple[Key, Box]]:
        """The chunks of a level that a box touches, each with its own box."""
        sides = zip(box, self._chunk, strict=True)
        places = [range(s.start // n, -(-s.stop // n)) for s, n in sides]
        for place in product(*places):
            key = (level, *place)
            yield key, self._box(key)

    def _box(self, key: Key) -> Box:
        level, *place = key
        sides = zip(place, self._chunk, self.shapes[level], strict=True)
        return tuple([slice(p * n, min((p + 1) * n, end)) for p, n, end in sides])

    def _sampled(self, level: int, box: Box) -> tuple[Box, Places]:
        """The box of a level whose pixels lie in one of the finest, and which these are."""
        coarse, places = [], []
        for side, fine, length in zip(box, self.shapes[0], self.shapes[level], strict=True):
            at = nearest(fine, length)
            start, stop = map(int, np.searchsorted(at, (side.start, side.stop)))
            coarse.append(slice(start, stop))
            places.append(at[start:stop] - side.start)
        return tuple(coarse), places

    def _nearest(self, level: int, other: int, box: Box) -> tuple[Box, Places]:
        """The box of another level around one of this, and which of its pixels these are."""
        around, places = [], []
        for side, own, length in zip(box, self.shapes[level], self.shapes[other], strict=True):
            at = nearest(length, own)[side]
            around.append(slice(int(at[0]), int(at[-1]) + 1))
            places.append(at - at[0])
        return tuple(around), places


def _taken(codes: Codes, places: Places) -> Codes:
    """The pixels at these places along each axis."""
    for axis, at in enumerate(places):
        codes = codes.take(at, axis)
    return codes


@lru_cache(maxsize=256)
def nearest(of: int, length: int) -> NDArray[np.intp]:
    """For an axis of `length` pixels, the pixel of an axis of `of` that each one's middle is in."""
    return ((np.arange(length) + 0.5) * of / length).astype(np.intp)


class LevelView:
    """A part of a level of a cache as an array that is read when NumPy asks for it.

    It takes no time to make or to index, as the window's thread does.
    """

    def __init__(
        self, cache: ViewCache, level: int, box: Box | None = None, kept: Sequence[int] = ()
    ) -> None:
        shape = cache.shapes[level]
        self._cache, self._level = cache, level
        self._box = box or tuple([slice(0, n) for n in shape])
        self._kept = tuple(kept) if box else tuple(range(len(shape)))  # axes that are not an index

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._cache.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple([self._box[a].stop - self._box[a].start for a in self._kept])

    @property
    def ndim(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> "LevelView | AnyArray":
        """A part of this view; an array for an index that is not of integers and plain slices."""
        index = index if isinstance(index, tuple) else (index,)
        if not all(_is_plain(i) for i in index):
            return np.asarray(np.asarray(self)[index])
        box, kept = list(self._box), list(self._kept)
        for axis, at in zip(self._kept, index, strict=False):
            start, length = self._box[axis].start, self._box[axis].stop - self._box[axis].start
            if isinstance(at, slice):
                first, last, _ = at.indices(length)
                box[axis] = slice(start + first, start + max(first, last))
            else:
                place = start + range(length)[at]
                box[axis] = slice(place, place + 1)
                kept.remove(axis)
        return LevelView(self._cache, self._level, tuple(box), kept)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        shape = self.shape
        if 0 in lengths(self._box):
            return np.zeros(shape, dtype or self.dtype)
        return self._cache.read(self._level, self._box).reshape(shape).astype(dtype or self.dtype)


def _is_plain(index: object) -> bool:
    if isinstance(index, slice):
        return index.step in (None, 1)
    return isinstance(index, int | np.integer)
