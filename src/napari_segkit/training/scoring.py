"""How the model of a training is scored: how often, by what, and what is told of it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, isfinite, prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import CleanConfig, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.steps import Step
from napari_segkit.tiling import Tiling
from napari_segkit.trained_model import TrainedModel

from .events import OverfittingWarning, Score, ValidationStep
from .state import RECENT_BATCHES

Positions: TypeAlias = NDArray[np.int64]  # of the class of each pixel
ScorePixels: TypeAlias = Callable[
    [Positions, Positions, NDArray[np.float64], Sequence[LabelClass], int], Score
]
VALIDATION_SHARE = 0.1  # of the work of a training that validations may take
FORWARD = 0.4  # work of predicting a patch, in that of training on it
MIN_TILES = 24  # of a validation, if there is more to predict
TILES_SHARE = 0.01  # of the patches of a training that one validation predicts at most
LAST_TILES = 4  # times as many for the model that is kept
LOSS_BATCHES = 2  # of held-out patches whose loss is measured
ASSUMED_EPOCHS = 20  # where only the minutes of a training are given
OVERFITTING = 4  # validations in a row that are told of
DRIFT = 1.2  # times the lowest loss on what is held out


class Validate(Protocol):
    """Scores models on what is held out, so many times in a training at least."""

    least: int
    is_sample: bool

    def limit(self, tiling: Tiling, tiles: float) -> int:
        """Predict at most about so many tiles at a time; returns how many there are."""

    def __call__(self, model: TrainedModel, /) -> Score: ...

    def thresholds(self, model: TrainedModel, /) -> tuple[CleanConfig, ...]:
        """Minimum probabilities of classes that agree best with what is held out."""


@dataclass(frozen=True)
class Workload:
    """How much of a training its validations take; it follows from steps, never from the clock.

    Lengths along the spatial axes, in pixels.
    """

    config: TrainConfig
    steps_per_epoch: int
    patch: tuple[int, ...]
    tiling: Tiling
    longest: Sequence[int]  # lengths of the longest image

    @property
    def _epochs(self) -> int:
        return self.config.epochs or ASSUMED_EPOCHS

    @property
    def _ratio(self) -> float:
        return prod(self.tiling.largest(self.longest)) / prod(self.patch)

    @property
    def _tiles(self) -> float:
        """How many tiles a validation predicts at most."""
        patches = self._epochs * self.steps_per_epoch * self.config.batch_size
        return max(MIN_TILES, TILES_SHARE * patches) / self._ratio

    def interval(self, validate: Validate) -> int:
        """Epochs between validations."""
        tiles = self._ratio * validate.limit(self.tiling, self._tiles)
        batches = LOSS_BATCHES + RECENT_BATCHES  # of the loss and of the batch statistics
        work = FORWARD * (tiles / self.config.batch_size + batches)  # in steps
        count = round(VALIDATION_SHARE * self._epochs * self.steps_per_epoch / work)
        return ceil(self._epochs / min(self._epochs, max(validate.least, count)))

    def widen(self, validate: Validate) -> None:
        """Predict more, for the model that is kept."""
        validate.limit(self.tiling, LAST_TILES * self._tiles)


def warn_if_overfitting(validations: Sequence[Mapping[str, Any]]) -> None:
    """Warn, once in a training, if its losses and those on what is held out have drifted apart."""
    if _is_overfitting(validations) and not any(
        _is_overfitting(validations[:count]) for count in range(len(validations))
    ):
        warnings.warn(
            f"The loss on what is held out has been far above its lowest for {OVERFITTING} "
            "validations while that of the training falls: the model learns its images by "
            "heart; label more images, or train for fewer epochs.",
            OverfittingWarning,
            stacklevel=2,
        )


def _is_overfitting(validations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last losses stay far above the lowest, those of the training below that one's.

    The losses of single validations are noisy; one that is not known is None.
    """
    losses = [(v["loss"], v["train_loss"]) for v in validations if v["loss"] is not None]
    if len(losses) <= OVERFITTING or None in dict(losses).values():
        return False
    lowest, train_loss = min(losses)
    last = losses[-OVERFITTING:]
    return all(loss > DRIFT * lowest and trained < train_loss for loss, trained in last)


def validation_step(
    step: Step, epoch: int, score: Score, loss: float, train_loss: float, is_best: bool
) -> ValidationStep:
    """The event of a validation after a step."""
    return ValidationStep(
        step.done,
        step.total,
        epoch,
        score.score,
        is_best,
        loss,
        train_loss,
        score.iou,
        score.dice,
        score.f1,
        score.ap,
        score.pixels,
        score.objects,
        score.images,
        score.separation,
    )


def figures_of(step: ValidationStep) -> dict[str, object]:
    """Figures of a validation as JSON can hold them; None for nan."""
    figures = asdict(step)
    for name in ("done", "total", "is_best"):
        del figures[name]
    return {name: _plain(value) for name, value in figures.items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value
