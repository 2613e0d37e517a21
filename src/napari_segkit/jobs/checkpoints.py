"""Trainings that can be resumed after a crash: their state is saved at most a minute apart."""

import warnings
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TypeVar

from napari_segkit.error_messages import plain_message
from napari_segkit.steps import Step
from napari_segkit.training.commands import Checkpoint
from napari_segkit.training.events import RefusedStep, TrainStep

T = TypeVar("T")
Training = Generator[Step, object, T]
SECONDS = 60.0  # between two checkpoints


def with_checkpoints(steps: Training[T], path: Path) -> Training[T]:
    """Run a training and save its state every minute, and where it is closed.

    A state that cannot be written is told once, and tried again. The file stays when the training
    ends: whoever keeps the model removes it.
    """
    checkpoints = _Checkpoints(steps, path)
    with closing(steps):
        try:
            step = next(steps)
            while True:
                checkpoints.after(step)
                step = steps.send((yield step))
        except StopIteration as end:
            return end.value
        except GeneratorExit:
            checkpoints.last()
            raise


class _Checkpoints:
    """The clock of the checkpoints of one training."""

    def __init__(self, steps: Training[object], path: Path) -> None:
        self._steps, self._path = steps, path
        self._saved_at = monotonic()
        self._has_begun = self._has_failed = False

    def after(self, step: Step) -> None:
        """Save the state if the last one is a minute old."""
        self._has_begun = self._has_begun or isinstance(step, TrainStep)
        if self._has_begun and monotonic() - self._saved_at >= SECONDS:
            self._save()

    def last(self) -> None:
        """Save the state where the training stops."""
        if self._has_begun:
            self._save()

    def _save(self) -> None:
        answer = self._steps.send(Checkpoint(self._path))
        self._saved_at = monotonic()
        if isinstance(answer, RefusedStep) and not self._has_failed:
            self._has_failed = True
            reason = plain_message(answer.error, lower="close other programs")
            warnings.warn(
                f"No checkpoint was written: {reason} The training goes on, and tries again.",
                UserWarning,
                stacklevel=2,
            )
