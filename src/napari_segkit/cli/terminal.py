"""What the command line says while it works: progress, notes, mistakes in one sentence each."""

import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, current_thread, main_thread
from typing import Any, TypeVar

from napari_segkit.steps import Step

from .options import flag

S = TypeVar("S", bound=Step)
T = TypeVar("T")

MISTAKES = (ValueError, TypeError, OSError, FloatingPointError, MemoryError, RuntimeError)
FULL = ("out of memory", "not enough memory", "can't allocate memory")


def say(line: str) -> None:
    """Write a line to standard error.

    Parameters
    ----------
    line : str
        Without its end.
    """
    sys.stderr.write(f"{line}\n")


def sentence(problem: BaseException) -> str:
    """Say in one line what went wrong.

    Parameters
    ----------
    problem : exception
        Such as a ValueError; remedies it names are given as options of the command line.

    Returns
    -------
    str
        The line.
    """
    text = " ".join(str(problem).split()) or type(problem).__name__
    if isinstance(problem, MemoryError) or any(words in text.lower() for words in FULL):
        return f"The memory is full ({text[:80]}): give a smaller --batch-size or --tile-size."
    options = [_option(r) for r in getattr(problem, "remedies", ()) if "=" in r]
    return f"{text} Here: {' or '.join(options)}." if options else text


def shown(steps: Generator[S, None, T], describe: Callable[[S], str]) -> Generator[S, None, T]:
    """Show progress on standard error: a line that moves on a terminal, else every tenth of it.

    Parameters
    ----------
    steps : generator
        Long work; it is closed with this generator.
    describe : callable
        From a step to what is said beside its number.

    Yields
    ------
    Step
        The steps as they come.

    Returns
    -------
    object
        What `steps` returns.
    """
    live, tenth = sys.stderr.isatty(), 0
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            line = f"{describe(step)}  {step.done}/{step.total}"
            if live:
                sys.stderr.write(f"\r{line}\x1b[K" + "\n" * (step.done == step.total))
            elif (passed := 10 * step.done // step.total) > tenth:
                tenth = passed
                say(line)
            yield step


@contextmanager
def notes() -> Iterator[None]:
    """Print warnings as plain notes."""

    def show(message: Warning | str, *_: Any) -> None:
        say(f"Note: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def interrupts() -> Iterator[Event]:
    """Take Ctrl-C as a wish to stop after the step that runs.

    Yields
    ------
    Event
        Set once Ctrl-C was pressed; pressed for the third time, it interrupts at once, and what
        was learned is lost.
    """
    wish = Event()
    if current_thread() is not main_thread():
        yield wish
        return
    before = signal.getsignal(signal.SIGINT)

    def wished(*_: Any) -> None:
        if wish.is_set():
            signal.signal(signal.SIGINT, before)
            with suppress(RuntimeError):  # pressed while another line is being written
                say("Stopping and saving; press Ctrl-C once more to throw it away.")
        wish.set()

    signal.signal(signal.SIGINT, wished)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)


def _option(remedy: str) -> str:
    """``labels_are='objects'`` as ``--labels-are objects``, ``x=True`` as ``--x``."""
    name, value = remedy.split("=")
    if value == "True":
        return flag(name)
    return f"{flag(name)} {value.strip(chr(39)).lower()}"
