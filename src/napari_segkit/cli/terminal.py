"""Terminal output: progress, warnings, and errors in one line each."""

import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from time import monotonic
from typing import TypeVar

from napari_segkit.error_messages import plain_message, translate_arguments
from napari_segkit.steps import Step, TimeLeft, map_steps, time_left

from .options import flag, option_text

S = TypeVar("S", bound=Step)
K = TypeVar("K")
T = TypeVar("T")

# Errors with a message for the user; others are bugs and show their traceback.
USER_ERRORS: tuple[type[BaseException], ...] = (
    *(ValueError, TypeError, OSError, FloatingPointError, MemoryError, RuntimeError),
    *(SystemExit, Warning),  # of a library that ends the work; with ``python -W error``
)
Show = Callable[..., None]  # with a text, a step, and the seconds left if these are known
SMALLER = "give smaller images"
SECONDS_PER_LINE = 60
FIELD = re.compile(r"\bPredictConfig\.(\w+)")  # as messages of the library name it


def say(line: str) -> None:
    """Write a line to standard error, above a bar if there is one; a closed one ends no work."""
    from tqdm import tqdm  # takes a while to import

    with suppress(OSError):
        tqdm.write(line, file=sys.stderr)


def print_files(files: Iterable[object]) -> None:
    """Print the paths of results, at once; a closed pipe does not make the results a failure."""
    with suppress(OSError):
        print(*files, sep="\n", flush=True)


def error_line(error: BaseException, lower: str = SMALLER) -> str:
    """An error's message in one line, with its remedies as command line options.

    `lower` says what to do if memory has run out.
    """
    if isinstance(error, SystemExit):
        return f"A library ended the work (SystemExit: {error.code})."
    text = FIELD.sub(_flag_of, plain_message(error, lower=lower, on_cpu="give --device cpu"))
    options = [in_options(r) for r in getattr(error, "remedies", ()) if "=" in r]
    return f"{text} Here: {' or '.join(options)}." if options else text


def _flag_of(field: re.Match[str]) -> str:
    return flag(field[1])


def in_options(message: str) -> str:
    """A message with Python arguments as options: ``dims='2D'`` as ``--dims 2D``."""
    return translate_arguments(message, option_text)


def _total(step: Step) -> int:
    return step.total


def show_progress(
    steps: Generator[S, K, T],
    describe: Callable[[S], str],
    expected: Callable[[S], int] = _total,
    *,
    parts: int = 10,
    numbered: bool = True,
) -> Generator[S, K, T]:
    """Pass steps on, and what is sent to them, and show them on standard error.

    A terminal gets a bar, anything else lines, both with the time left: that of the step if it
    knows it, as a training that was resumed does. `describe` gives the text
    before the step's number, `expected` the number of steps where a time limit makes it smaller.
    `parts` and `numbered` as in `progress_lines`. Closing this closes `steps`.
    """
    with display(parts, numbered=numbered) as show:

        def shown(step: S) -> S:
            left = getattr(step, "seconds_left", None)
            show(describe(step), Step(step.done, expected(step)), left)
            return step

        return (yield from map_steps(steps, shown))


def display(parts: int = 10, *, numbered: bool = True) -> AbstractContextManager[Show]:
    """What shows a text and a step: a bar in a terminal, lines elsewhere."""
    if sys.stderr.isatty():
        return _bar(numbered=numbered)
    return progress_lines(parts, numbered=numbered)


@contextmanager
def progress_lines(parts: int, *, numbered: bool = True) -> Iterator[Show]:
    """A line a minute, and one after each of so many parts of the work.

    A text is `numbered` by the step, unless it counts by itself.
    """
    part, told, estimate = 0, monotonic(), TimeLeft()

    def show(text: str, step: Step, left: float | None = None) -> None:
        nonlocal part, told
        before, part, now = part, max(part, parts * step.done // step.total), monotonic()
        left = left or estimate.after(step, now)
        if part > before or now - told >= SECONDS_PER_LINE:
            told = now
            number = f"  {step.done}/{step.total}" if numbered else ""
            say(f"{text}{number}{time_left(left)}")

    yield show


@contextmanager
def _bar(*, numbered: bool) -> Iterator[Show]:
    from tqdm import tqdm

    bar_format = None if numbered else "{l_bar}{bar}| {elapsed}<{remaining}"
    with tqdm(file=sys.stderr, dynamic_ncols=True, bar_format=bar_format) as bar:

        def show(text: str, step: Step, _: float | None = None) -> None:
            bar.total = step.total
            bar.set_description(text, refresh=False)
            bar.update(step.done - bar.n)

        yield show


def say_note(text: str) -> None:
    """Say a warning as a plain note."""
    say(f"Note: {in_options(text)}")


@contextmanager
def print_warnings(tell: Callable[[str], object] = say_note) -> Iterator[None]:
    """Print warnings as plain notes, or `tell` them."""

    def show(message: Warning | str, *_: object) -> None:
        tell(str(message))

    with warnings.catch_warnings():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield
