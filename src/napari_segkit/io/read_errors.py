"""Errors of reading libraries as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

PACKAGE = __name__.partition(".")[0]


@contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn any error while a file is read into a ValueError of one sentence."""
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"{path} cannot be read: it is larger than the memory.") from error
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """What an error says, as a detail where a library says it, whose words are for programmers."""
    text = (str(error).splitlines() or [""])[0].rstrip(".")
    if text and (isinstance(error, OSError) or _is_ours(error)):
        return text
    detail = text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
    return f"it is damaged, or of a kind that is not understood ({detail.rstrip(': ')})"


def _is_ours(error: Exception) -> bool:
    """Whether this package has raised it on purpose."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    module = str(frame.f_globals.get("__name__"))
    return isinstance(error, ValueError) and module.partition(".")[0] == PACKAGE
