"""What is compared: groups of rows, a case for each row, and the sides that take turns in it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

Arrays = Mapping[str, np.ndarray]
Direction = Literal["higher", "lower", "none"]
OWN = "SegKit"


@dataclass(frozen=True)
class Side:
    """A program: a generator function of `rows`, called by a worker as ``module:function``."""

    name: str
    call: str
    packages: tuple[str, ...]  # the first is what has to be installed; their versions are noted
    options: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False  # runs in the environment of this package


@dataclass(frozen=True)
class Trial:
    """The inputs of all sides, what the results are compared with, and the unit of the seconds."""

    inputs: Arrays
    truth: Arrays = field(default_factory=dict)
    megapixels: float = 1.0  # seconds are divided by it


Quality = Callable[[Trial, Mapping[str, Arrays]], dict[str, dict[str, float]]]


def counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def no_quality(trial: Trial, results: Mapping[str, Arrays]) -> dict[str, dict[str, float]]:
    return {}


@dataclass(frozen=True)
class Case:
    """A row: SegKit's side first, then those of the peers."""

    name: str
    trials: Callable[[], Iterable[Trial]]
    sides: tuple[Side, ...]
    threads: int
    quality: Quality = no_quality  # of each side by its name
    warm_up: bool = True  # a first run that does not count
    repeats: int | None = None  # None: as the command says; 0: only its quality counts
    skipped: str = ""  # why it cannot run here


@dataclass(frozen=True)
class Sources:
    """What the cases may use."""

    images: Any  # images.Images
    threads: tuple[int, ...] = (1, 2)
    minutes: float = 10  # of CPU time of one thread, for each training
    seeds: int = 1  # of the strokes
    scribbles: Path | None = None  # a folder of strokes in place of simulated ones


@dataclass(frozen=True)
class Group:
    """Rows that are measured in the same way and make one table."""

    title: str
    about: str
    cases: Callable[[Sources], Iterable[Case]]
    quality: Mapping[str, Direction] = field(default_factory=dict)
    unit: str = "s"
    trainings: bool = False
