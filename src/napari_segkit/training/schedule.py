"""How far a training is, and the learning rate that follows from it."""

from dataclasses import dataclass, field
from math import cos, pi
from time import perf_counter

from napari_segkit.config import TrainConfig

WARM_UP = 0.05  # fraction of the training with a rising learning rate


@dataclass
class Schedule:
    """Steps and time that are done of those planned; linear warm-up, then cosine decay to zero."""

    config: TrainConfig
    done: int = 0
    seconds: float = 0.0  # as of the last `tick`
    steps_per_pass: int = 1  # over the training set
    _began: float = field(default_factory=perf_counter)

    @property
    def steps_per_epoch(self) -> int:
        return self.config.steps_per_epoch or self.steps_per_pass

    @property
    def total(self) -> int:
        return self.config.epochs * self.steps_per_epoch

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
        limit = self.config.minutes
        return max(self.done / self.total, self.seconds / (60 * limit) if limit else 0.0)

    @property
    def learning_rate(self) -> float:
        return self.config.learning_rate * _relative_rate(self.progress)

    def start(self) -> None:
        """Start the clock, where a saved training stopped it."""
        self._began = perf_counter() - self.seconds

    def tick(self) -> None:
        """Read the clock."""
        self.seconds = perf_counter() - self._began


def _relative_rate(progress: float) -> float:
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    return 0.5 * (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP)))
