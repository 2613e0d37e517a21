"""How far a training is, and the learning rate that follows from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import cos, pi
from time import perf_counter

from napari_segkit.config import TrainConfig
from napari_segkit.config.training import LearningRates

WARM_UP = 0.05  # fraction of the training with a rising learning rate
RISE = 0.3  # the same, of one cycle


@dataclass
class Schedule:
    """Steps and time that are done of those planned, and the learning rate that is due."""

    config: TrainConfig
    done: int = 0
    seconds: float = 0.0  # as of the last `tick`
    steps_per_pass: int = 1  # over the training set
    rates: Sequence[float] = ()  # of an earlier training that is repeated, one for each step
    _began: float = field(default_factory=perf_counter)

    @property
    def steps_per_epoch(self) -> int:
        return self.config.steps_per_epoch or self.steps_per_pass

    @property
    def total(self) -> int:
        """Steps planned; without epochs those that there is time for; 0 without an end."""
        if self.rates:
            return len(self.rates)
        if self.config.is_endless:
            return 0
        if self.config.epochs is None:
            return round(self.done / max(self._time_used, 1e-9)) if self.progress < 1 else self.done
        return self.config.epochs * self.steps_per_epoch

    @property
    def seconds_left(self) -> float | None:
        """Expected time to the end, by the pace so far; None if there is no end or no step yet."""
        if self.done == 0 or self.total == 0:
            return None
        return self.seconds * max(0.0, 1 / max(self.progress, 1e-9) - 1)

    @property
    def epoch(self) -> int:
        """Epoch of the last step, from 1."""
        return (self.done - 1) // self.steps_per_epoch + 1

    @property
    def is_epoch_end(self) -> bool:
        return self.done % self.steps_per_epoch == 0

    @property
    def progress(self) -> float:
        """Fraction of the steps or of the time limit that is used; from 1 on it is over."""
        if self.rates:
            return self.done / self.total
        if self.config.epochs is None:
            return self._time_used
        return max(self.done / self.total, self._time_used)

    @property
    def learning_rate(self) -> float:
        if self.rates:
            return self.rates[self.done]
        return self.config.learning_rate * RELATIVE_RATES[self.config.schedule](self.progress)

    @property
    def _time_used(self) -> float:
        """Fraction of the time limit; 0 without one."""
        limit = self.config.minutes
        return self.seconds / (60 * limit) if limit else 0.0

    def start(self) -> None:
        """Start the clock, where a saved training stopped it."""
        self._began = perf_counter() - self.seconds

    def tick(self) -> None:
        """Read the clock."""
        self.seconds = perf_counter() - self._began


def _cosine(progress: float) -> float:
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    return _half_cosine((progress - WARM_UP) / (1 - WARM_UP))


def _one_cycle(progress: float) -> float:
    """As `torch.optim.lr_scheduler.OneCycleLR` does: from a 25th up, then down to 4e-7."""
    if progress < RISE:
        return 1 + (1 / 25 - 1) * _half_cosine(progress / RISE)
    return 4e-7 + (1 - 4e-7) * _half_cosine((progress - RISE) / (1 - RISE))


def _poly(progress: float) -> float:
    return max(0.0, 1 - progress) ** 0.9


def _half_cosine(x: float) -> float:
    return 0.5 * (1 + cos(pi * x))


RELATIVE_RATES: dict[LearningRates, Callable[[float], float]] = {
    "cosine": _cosine,
    "constant": lambda _: 1.0,
    "poly": _poly,
    "one_cycle": _one_cycle,
}
