"""Terminal output: progress, warnings, and errors in one line each."""

import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from threading import Event, current_thread, main_thread
from typing import TypeVar

from napari_segkit.error_messages import plain_message
from napari_segkit.steps import Step, map_steps

from .options import flag

S = TypeVar("S", bound=Step)
K = TypeVar("K")
T = TypeVar("T")

# Errors with a message for the user; others are bugs and show their traceback.
USER_ERRORS = (ValueError, TypeError, OSError, FloatingPointError, MemoryError, RuntimeError)
LESS_MEMORY = "give a smaller --batch-size or --tile-size"


def say(line: str) -> None:
    """Write a line to standard error, above a bar if there is one."""
    from tqdm import tqdm  # takes a while to import

    tqdm.write(line, file=sys.stderr)


def error_line(error: BaseException) -> str:
    """An error's message in one line, with its remedies as command line options."""
    text = plain_message(error, lower=LESS_MEMORY)
    options = [_option(r) for r in getattr(error, "remedies", ()) if "=" in r]
    return f"{text} Here: {' or '.join(options)}." if options else text


def show_progress(steps: Generator[S, K, T], describe: Callable[[S], str]) -> Generator[S, K, T]:
    """Pass steps on, and what is sent to them, and show them on standard error.

    A terminal gets a bar with the time left, anything else a line at every tenth. `describe` gives
    the text before the step's number. Closing this closes `steps`.
    """
    with _bar() if sys.stderr.isatty() else _lines() as show:

        def shown(step: S) -> S:
            show(describe(step), step)
            return step

        return (yield from map_steps(steps, shown))


@contextmanager
def _bar() -> Iterator[Callable[[str, Step], None]]:
    from tqdm import tqdm

    with tqdm(file=sys.stderr, dynamic_ncols=True) as bar:

        def show(text: str, step: Step) -> None:
            bar.total = step.total
            bar.set_description(text, refresh=False)
            bar.update(step.done - bar.n)

        yield show


@contextmanager
def _lines() -> Iterator[Callable[[str, Step], None]]:
    tenths = 0

    def show(text: str, step: Step) -> None:
        nonlocal tenths
        before, tenths = tenths, 10 * step.done // step.total
        if tenths not in (0, before):
            say(f"{text}  {step.done}/{step.total}")

    yield show


@contextmanager
def print_warnings() -> Iterator[None]:
    """Print warnings as plain notes."""

    def show(message: Warning | str, *_: object) -> None:
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

    def handle(*_: object) -> None:
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
