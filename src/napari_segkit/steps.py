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
        Steps expected in total.
    """

    done: int
    total: int

    is_event: ClassVar[bool] = False  # what follows the work must see it, not only the latest step


@dataclass(frozen=True)
class Finish:
    """Command: end the work now and return its result, ``steps.send(Finish())``.

    A training is validated as one that is complete; a prediction returns the tiles that are done.
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
    """

    title: str
    steps: Generator[Step, Any, T_co]


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


def duration(seconds: float) -> str:
    """Such as 2:05, or 1:02:05 with hours."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
