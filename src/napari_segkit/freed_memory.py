"""Keep freed memory for the next step of a computation, instead of giving it back to the system.

A training step on a CPU allocates and frees hundreds of megabytes. glibc, the C library of Linux,
gives large blocks back at once, and the system then clears each page again: about a tenth of the
time. Other C libraries are left alone. Results are the same.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

# Parameters of mallopt, from malloc.h. glibc fits two of them to a program, until they are set;
# afterwards they are as large as glibc would make them.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8
LARGEST_TRIM_THRESHOLD, LARGEST_MMAP_THRESHOLD, USUAL_MMAP_MAX = 2**26, 2**25, 65536
NEVER = -1

_lock = Lock()
_users = 0  # computations that run


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Keep what is freed within, and give it back when the last such computation ends."""
    _enter()
    try:
        yield
    finally:
        _leave()


def share_heap() -> None:
    """Let threads that are started later use the heap whose freed memory is kept."""
    if glibc := _glibc():
        glibc.mallopt(ARENA_MAX, 1)


def give_back() -> None:
    """Give the system what is freed so far; nothing while a computation keeps it."""
    with _lock:
        if _users == 0 and (glibc := _glibc()):
            glibc.malloc_trim(0)


def _enter() -> None:
    global _users
    with _lock:
        _users += 1
        if _users == 1 and (glibc := _glibc()):
            glibc.mallopt(MMAP_MAX, 0)
            glibc.mallopt(TRIM_THRESHOLD, NEVER)


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and (glibc := _glibc()):
            glibc.mallopt(MMAP_MAX, USUAL_MMAP_MAX)
            glibc.mallopt(TRIM_THRESHOLD, LARGEST_TRIM_THRESHOLD)
            glibc.mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
            glibc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except TypeError:  # on Windows
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None
