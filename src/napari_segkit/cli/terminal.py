"""Terminal output: progress, warnings, and errors in one line each."""

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

# Errors with a message for the user; others are bugs and show their traceback.
USER_ERRORS = (ValueError, TypeError, OSError, FloatingPointError, MemoryError, RuntimeError)
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def say(line: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{line}\n")


def error_line(error: BaseException) -> str:
    """An error's message in one line, with its remedies as command line options."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return f"Out of memory ({text[:80]}): give a smaller --batch-size or --tile-size."
    options = [_option(r) for r in getattr(error, "remedies", ()) if "=" in r]
    return f"{text} Here: {' or '.join(options)}." if options else text


def show_progress(
    steps: Generator[S, None, T], describe: Callable[[S], str]
) -> Generator[S, None, T]:
    """Pass steps on and show them on standard error: every step on a terminal, else every tenth.

    `describe` gives the text before the step's number. Closing this closes `steps`.
    """
    live, shown_tenths = sys.stderr.isatty(), 0
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            line = f"{describe(step)}  {step.done}/{step.total}"
            if live:
                sys.stderr.write(f"\r{line}\x1b[K" + "\n" * (step.done == step.total))
            elif (tenths := 10 * step.done // step.total) > shown_tenths:
                shown_tenths = tenths
                say(line)
            yield step


@contextmanager
def print_warnings() -> Iterator[None]:
    """Print warnings as plain notes."""

    def show(message: Warning | str, *_: Any) -> None:
        say(f"Note: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


@contextmanager
def stop_on_interrupt() -> Iterator[Event]:
    """Set an event at Ctrl-C, to stop after the current step; the third Ctrl-C stops at once."""
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return
    previous = signal.getsignal(signal.SIGINT)

    def handle(*_: Any) -> None:
        if stop.is_set():
            signal.signal(signal.SIGINT, previous)
            with suppress(RuntimeError):  # pressed while another line is being written
                say("Stopping and saving; press Ctrl-C once more to discard the training.")
        stop.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _option(remedy: str) -> str:
    """``labels_are='objects'`` as ``--labels-are objects``, ``x=True`` as ``--x``."""
    name, value = remedy.split("=")
    if value == "True":
        return flag(name)
    return f"{flag(name)} {value.strip(chr(39)).lower()}"
