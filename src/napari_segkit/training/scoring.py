"""How the model of a training is scored: how often, by what, and what is told of it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from math import ceil, isfinite, prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import CleanConfig, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.steps import Step
from napari_segkit.trained_model import TrainedModel

from .events import OverfittingWarning, Score, ValidationStep
from .state import RECENT_BATCHES

Positions: TypeAlias = NDArray[np.int64]  # of the class of each pixel
ScorePixels: TypeAlias = Callable[
    [Positions, Positions, NDArray[np.float64], Sequence[LabelClass], int], Score
]
VALIDATION_SHARE = 0.1  # of the work of a training that validations may take
FORWARD = 0.4  # work of predicting a patch, in that of training on it
MIN_TILES = 32  # of a validation, if there is more to predict
TILES_SHARE = 0.05  # of the patches of a training that one validation predicts at most
LOSS_BATCHES = 2  # of held-out patches whose loss is measured
ASSUMED_EPOCHS = 20  # where only the minutes of a training are given
OVERFITTING = 3  # validations in a row with a rising loss that are told of


class Validate(Protocol):
    """Scores models on what is held out, so many times in a training at least."""

    least: int

    def limit(self, size: Sequence[int], overlap: Sequence[int], tiles: float) -> float:
        """Predict at most about so many tiles at a time; returns how many there will be."""

    def __call__(self, model: TrainedModel, /) -> Score: ...

    def thresholds(self, model: TrainedModel, /) -> tuple[CleanConfig, ...]:
        """Minimum probabilities of classes that agree best with what is held out."""


def epochs_between(
    validate: Validate,
    config: TrainConfig,
    steps_per_epoch: int,
    patch: Sequence[int],
    size: Sequence[int],
    overlap: Sequence[int],
) -> int:
    """Epochs between validations, which follow from their work and never from the clock."""
    planned = config.epochs or ASSUMED_EPOCHS
    patches = planned * steps_per_epoch * config.batch_size
    ratio = prod(size) / prod(patch)
    tiles = ratio * validate.limit(size, overlap, max(MIN_TILES, TILES_SHARE * patches / ratio))
    batches = LOSS_BATCHES + RECENT_BATCHES  # of the loss and of the batch statistics
    work = FORWARD * (tiles / config.batch_size + batches)  # in steps
    epochs = ceil(work / VALIDATION_SHARE / steps_per_epoch)
    return max(1, min(epochs, ceil(planned / validate.least)))


def warn_if_overfitting(validations: Sequence[Mapping[str, Any]]) -> None:
    """Warn, once in a training, if the loss on what is held out rises while that of it falls."""
    if _is_overfitting(validations) and not any(
        _is_overfitting(validations[:count]) for count in range(len(validations))
    ):
        warnings.warn(
            f"The loss on what is held out has been rising for {OVERFITTING} validations while "
            "that of the training falls: the model learns its images by heart; label more images, "
            "or train for fewer epochs.",
            OverfittingWarning,
            stacklevel=2,
        )


def _is_overfitting(validations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether this holds of the last validations; a loss that is not known is None."""
    last = validations[-OVERFITTING - 1 :]
    held_out, training = ([figures[name] for figures in last] for name in ("loss", "train_loss"))
    if len(last) <= OVERFITTING or None in (*held_out, *training):
        return False
    return _falls(training) and _falls([-loss for loss in held_out])


def _falls(numbers: Sequence[float]) -> bool:
    return all(before > after for before, after in pairwise(numbers))


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
