"""Where the pixels of a class are, in many images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.array_cache import ArrayCache, CachedArray


class Places:
    """Rows of (frame number, *pixel) where a class is labelled, found when they are asked for.

    `find` gives every so many-th flat position in a frame, `counts` how many there are in each. Of
    each frame about `per_frame` count, so that large ones do not outweigh the others. `known` keeps
    what was found in a frame.
    """

    def __init__(
        self,
        find: Callable[[int, int], NDArray[np.int64]],
        counts: NDArray[np.int64],
        shapes: Sequence[tuple[int, ...]],
        per_frame: int,
        cache: ArrayCache,
        names: Sequence[str],
        known: dict[int, CachedArray],
    ) -> None:
        self._find, self._shapes, self._cache, self._names = find, shapes, cache, names
        self.frames = np.flatnonzero(counts)  # that hold the class
        found = counts[self.frames]
        self._steps = np.maximum(1, found // per_frame)
        self._lengths = -(-found // self._steps)
        self._ends = self._lengths.cumsum()
        self._flat = known

    def __len__(self) -> int:
        return int(self._lengths.sum())

    def __getitem__(self, index: SupportsIndex) -> NDArray[np.int64]:
        index = int(index)
        which = int(self._ends.searchsorted(index, "right"))
        number = int(self.frames[which])
        flat = self._in_frame(which)[index - int(self._ends[which] - self._lengths[which])]
        return np.array([number, *np.unravel_index(flat, self._shapes[number])])

    def _in_frame(self, which: int) -> CachedArray:
        number = int(self.frames[which])
        if number not in self._flat:
            step = int(self._steps[which])
            self._flat[number] = CachedArray(
                (int(self._lengths[which]),),
                np.dtype(np.int64),
                partial(self._find, number, step),
                self._cache,
                f"The labels of {self._names[number]}",
            )
        return self._flat[number]
