"""Keep freed memory for the next step of a computation, or give it back to the system at once.

A training step on a CPU allocates and frees hundreds of megabytes. glibc, the C library of Linux,
gives large blocks back at once, and the system then clears each page again: about a tenth of the
time. What goes to a folder because it is larger than memory gives them back all the same. Other C
libraries are left alone. Results are the same.
"""

import ctypes
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Parameters of mallopt, from malloc.h. glibc fits two of them to a program, until they are set;
# afterwards they are as large as glibc would make them.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8
LARGEST_TRIM_THRESHOLD, LARGEST_MMAP_THRESHOLD, USUAL_MMAP_MAX = 2**26, 2**25, 65536
NEVER = -1
LARGE = 5 * 2**19  # bytes, for giving back: cells of volumes, not tiles of planes (twice the time)

_lock = Lock()
_running: Counter[str] = Counter()  # computations that "keep" or "give back"


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep what is freed within, and give it back when the last such computation ends."""
    _change("keep", 1)
    try:
        yield
    finally:
        _change("keep", -1)


@contextmanager
def giving_back_freed_memory() -> Iterator[None]:
    """Give large blocks that are freed within back at once, unless others keep theirs."""
    _change("give back", 1)
    try:
        yield
    finally:
        _change("give back", -1)


def share_heap() -> None:
    """Let threads that are started later use the heap whose freed memory is kept."""
    if glibc := _glibc():
        glibc.mallopt(ARENA_MAX, 1)


def _change(what: str, count: int) -> None:
    """Note that a computation begins or ends."""
    with _lock:
        _running[what] += count
        if not (glibc := _glibc()):
            return
        if _running["keep"]:
            glibc.mallopt(MMAP_MAX, 0)
            glibc.mallopt(TRIM_THRESHOLD, NEVER)
            return
        gives_back = _running["give back"] > 0
        glibc.mallopt(MMAP_MAX, USUAL_MMAP_MAX)
        glibc.mallopt(MMAP_THRESHOLD, LARGE if gives_back else LARGEST_MMAP_THRESHOLD)
        glibc.mallopt(TRIM_THRESHOLD, LARGE if gives_back else LARGEST_TRIM_THRESHOLD)
        glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # on Windows
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None
