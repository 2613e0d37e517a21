"""Errors of reading libraries as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn any error while a file is read into a ValueError of one sentence."""
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{path} cannot be read: it is larger than the memory.") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{path} cannot be read: {reason}.") from error
