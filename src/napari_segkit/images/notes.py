"""Notes on what is read, as warnings; what is read once more gives none."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_quiet = ContextVar("is_quiet", default=False)  # of this thread; filters of warnings are of all


def say_note(note: str, stacklevel: int = 1) -> None:
    """Warn of something that was read."""
    if not _is_quiet.get():
        warnings.warn(note, UserWarning, stacklevel=stacklevel + 1)


@contextmanager
def without_notes() -> Iterator[None]:
    """Read without notes, because they were given before or will be."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)
