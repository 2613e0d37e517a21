"""Errors of other libraries' readers, as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn the errors of readers, which are of all sorts, into one sentence.

    Parameters
    ----------
    path : Path
        The file that is read.

    Raises
    ------
    ValueError
        Instead of any other error.
    """
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{path} cannot be read: it says it is larger than memory.") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{path} cannot be read: {reason}.") from error
