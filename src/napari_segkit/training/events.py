"""What a training yields: its steps, validations and answers to commands."""

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from napari_segkit.steps import Step

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

    from .dataset import LabelledImages


class DivergenceWarning(UserWarning):
    """A training ended early because a loss or gradient was NaN or infinite; its model is kept."""


@dataclass(frozen=True)
class ReadStep(Step):
    """A file of the training set was read; `done` and `total` are numbers of images.

    Parameters
    ----------
    done, total : int
        As in `Step`.
    labelled : LabelledImages or None
        All images with their labels, once they are read.
    """

    labelled: "LabelledImages | None" = None


@dataclass(frozen=True)
class TrainStep(Step):
    """Progress of a training.

    Parameters
    ----------
    done, total : int
        As in `Step`.
    epoch : int
        Current epoch, counted from 1.
    loss : float
        Loss of this step's batch, before the weights were updated.
    seconds : float
        Time since the training began.
    images : int
        Number of patches trained on so far.
    """

    epoch: int
    loss: float
    seconds: float
    images: int


@dataclass(frozen=True)
class ValidationStep(Step):
    """The model was evaluated on the validation images.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    epoch : int
        The epoch that has ended, counted from 1.
    score : float
        Mean Dice of the classes, or F1 of the objects at IoU 0.5.
    is_best : bool
        Whether no earlier score was as high; the weights are then kept.
    """

    epoch: int
    score: float
    is_best: bool


@dataclass(frozen=True)
class SnapshotStep(Step):
    """Answer to `Snapshot`.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    model : TrainedModel
        A copy of the model, in evaluation mode.
    """

    model: "TrainedModel"


@dataclass(frozen=True)
class CheckpointStep(Step):
    """Answer to `Checkpoint`: the state is saved.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    path : path-like
        The file.
    """

    path: str | PathLike[str]


@dataclass(frozen=True)
class RefusedStep(Step):
    """A command was refused; the training goes on.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    error : Exception
        Why: TypeError for an unknown command, else why it could not be carried out.
    """

    error: Exception
