"""Cache of pixel features within a memory limit."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock

import numpy as np
import psutil
from numpy.typing import NDArray

Features = NDArray[np.float32]


class FeatureCache:
    """Least-recently-used cache of arrays, limited to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[bytes, Features] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes, compute: Callable[[], Features], *, keep: bool = True) -> Features:
        """Return the cached array, not to be written to, or compute it without holding the lock.

        What is computed is cached unless `keep` is False.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        features = compute()
        if keep:
            with self._lock:
                self._keep(key, features)
        return features

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self.size = 0

    def _keep(self, key: bytes, features: Features) -> None:
        if key in self._kept or features.nbytes > self.limit:
            return
        self._kept[key] = features
        self.size += features.nbytes
        while self.size > self.limit:
            self.size -= self._kept.popitem(last=False)[1].nbytes


def key_of(*parts: object) -> bytes:
    """Hash arrays by shape, dtype and values, anything else by its `repr`."""
    digest = blake2b(digest_size=20)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.shape}{part.dtype}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(repr(part).encode())
        digest.update(b"|")
    return digest.digest()


CACHE = FeatureCache(min(2**30, psutil.virtual_memory().total // 8))
