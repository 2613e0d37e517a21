"""Long work is a generator: it yields steps, returns its result and stops when closed."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One step of a long piece of work.

    Parameters
    ----------
    done : int
        Steps done so far, this one included.
    total : int
        Steps expected in all.
    """

    done: int
    total: int


def drain(steps: Generator[Any, None, T]) -> T:
    """Run a generator to its end and give what it returns.

    Parameters
    ----------
    steps : generator
        Long work, such as ``segmenter.train_epochs(...)``.

    Returns
    -------
    object
        The generator's return value.
    """
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def mapped(steps: Generator[Any, None, T], step: Callable[[Any], S]) -> Generator[S, None, T]:
    """The same work, each of its steps as another one.

    Parameters
    ----------
    steps : generator
        Long work; it is closed with this generator.
    step : callable
        From a step of it to the one that is yielded instead.

    Yields
    ------
    object
        After each of its steps.

    Returns
    -------
    object
        What `steps` returns.
    """
    with closing(steps):
        while True:
            try:
                one = next(steps)
            except StopIteration as stop:
                return stop.value
            yield step(one)
