"""Long work is a generator: it yields steps, returns its result and stops when closed."""

import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True)
class Step:
    """Progress of a long computation.

    Parameters
    ----------
    done : int
        Steps done so far, this one included.
    total : int
        Steps expected in total; 0 if there is no end.
    """

    done: int
    total: int

    is_event: ClassVar[bool] = False  # what follows the work must see it, not only the latest step


@dataclass(frozen=True)
class Failure(Step):
    """An error that ended a part of the work, such as one of several images; the rest is kept.

    Parameters
    ----------
    error : BaseException
        What was raised.
    part : str
        Name of the part; "" if there is only one.
    """

    error: BaseException
    part: str = ""

    is_event: ClassVar[bool] = True


@dataclass(frozen=True)
class Waiting(Step):
    """There is nothing to do until a command arrives; `next` gives this step again.

    Parameters
    ----------
    done, total : int
        As in `Step`.
    seconds : float or None
        Time after which there may be something to do without a command; None: there never is.
    """

    seconds: float | None = None


@dataclass(frozen=True)
class Finish:
    """Command: end the work now and return its result, ``steps.send(Finish())``.

    A training is validated as one that is complete, but that of a network without an end, for which
    a person waits; a prediction returns the tiles that are done.
    """


@dataclass(frozen=True)
class Job(Generic[T_co]):
    """A piece of long work, run alike by docks, console and command line.

    Parameters
    ----------
    title : str
        What is done, such as "Predict coins".
    steps : generator
        Yields `Step`s, takes commands through `send`, returns the result and stops when closed.
        It neither reads layers nor writes files: whoever runs it hands in copies and writes the
        result.
    finish : object
        The command that has it return what is done, if it knows one.
    """

    title: str
    steps: Generator[Step, Any, T_co]
    finish: object = None


class Writer(Protocol[T_contra, T_co]):
    """Where the result of a job goes: a layer of a viewer, or files."""

    def prepare(self, result: T_contra) -> None:
        """Compute what writing needs; called where the job ran, and may be slow."""

    def write(self, result: T_contra) -> T_co:
        """Write the result; for a layer, on the window's thread."""


def drain(steps: Generator[Any, None, T]) -> T:
    """Run a generator to its end and return its result.

    Parameters
    ----------
    steps : generator
        Long computation, such as ``segmenter.train_epochs(...)``.

    Returns
    -------
    object
        The return value of the generator.
    """
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def warn_if_blocking(verb: str, steps: str) -> None:
    """Warn in napari's console, where any call blocks the window, and name the alternative."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if type(getattr(shell, "kernel", None)).__name__ == "InProcessKernel":
        warnings.warn(
            f"{verb} blocks napari's window until it is done; "
            f"session(viewer).run(segmenter.{steps}) does not.",
            UserWarning,
            stacklevel=3,
        )


def map_steps(steps: Generator[S, K, T], convert: Callable[[S], R]) -> Generator[R, K, T]:
    """Yield `convert(step)` for each step, pass on what is sent, and return the result."""
    with closing(steps):
        try:
            step = next(steps)
            while True:
                step = steps.send((yield convert(step)))
        except StopIteration as stop:
            return stop.value


class Finished(Exception):
    """`Finish` was sent to work of which a part is no result."""


def until_finish(steps: Generator[S, Any, T], convert: Callable[[S], R]) -> Generator[R, K, T]:
    """Yield `convert(step)` for each step, and raise `Finished` once `Finish` is sent."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if isinstance((yield convert(step)), Finish):
                raise Finished


def duration(seconds: float) -> str:
    """Such as 2:05, or 1:02:05 with hours."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class TimeLeft:
    """How long work will still take: what its steps tell, or else from the pace so far.

    Work that goes on where it was stopped begins with steps that are done already: the pace is that
    of the steps after the first one.
    """

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None  # when the first step ended, and its number

    def after(self, step: Step, now: float) -> float | None:
        """Seconds left after a step that has just ended; None if they are unknown."""
        known: float | None = getattr(step, "seconds_left", None)
        if known is not None:
            return known
        began, first = self._first = self._first or (now, step.done)
        taken = step.done - first
        is_known = taken > 0 and step.total > 0
        return (now - began) * (step.total - step.done) / taken if is_known else None


def time_left(seconds: float | None) -> str:
    """Such as ", 1:02:05 left"; nothing for less than a second, or if it is unknown."""
    left = 0 if seconds is None else round(seconds)
    return f", {duration(left)} left" if left > 0 else ""
