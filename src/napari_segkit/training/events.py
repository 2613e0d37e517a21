"""What a training yields: its steps, validations and answers to commands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from os import PathLike
from typing import TYPE_CHECKING, ClassVar

from napari_segkit.steps import Step

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

    from .dataset import LabelledImages


class DivergenceWarning(UserWarning):
    """A training ended early because a loss or gradient was NaN or infinite; its model is kept."""


class NewClassError(ValueError):
    """Labels that are added to a training hold a class that its model does not have."""


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
    seconds_left : float or None
        Expected time to the end, by the pace so far; None if it is not known.
    precision : str
        Number format of the convolutions, "float32" or "bfloat16".
    micro_batch : int or None
        Patches that were computed at once; less than a batch where memory asks for it.
    """

    epoch: int
    loss: float
    seconds: float
    images: int
    seconds_left: float | None = None
    precision: str = "float32"
    micro_batch: int | None = None


class OverfittingWarning(UserWarning):
    """The loss on what is held out rises while that of the training falls."""


@dataclass(frozen=True)
class Score:
    """How well a model does on what is held out, and on how much this rests.

    Parameters
    ----------
    score : float
        Mean Dice of the classes, or F1 of the objects at IoU 0.5.
    iou, dice : dict of int to float
        By class value, nan where absent; of objects, 0 is background and 1 any object.
    f1, ap : float
        F1 of the objects at IoU 0.5, and mean AP over the IoU thresholds 0.5 to 0.95; nan for
        models that predict classes.
    pixels, objects, images : int
        Labelled pixels, objects and images that were compared.
    separation : float or None
        How readily touching objects were separated, from 0 to 1: the value with which they agree
        best with what is held out. None for models that do not separate objects by a watershed.
    """

    score: float
    iou: Mapping[int, float] = field(default_factory=dict)
    dice: Mapping[int, float] = field(default_factory=dict)
    f1: float = nan
    ap: float = nan
    pixels: int = 0
    objects: int = 0
    images: int = 0
    separation: float | None = None


@dataclass(frozen=True)
class ValidationStep(Step):
    """The model was scored on what is held out.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    epoch : int
        The epoch that has ended, counted from 1.
    score : float
        Mean Dice of the classes, or F1 of the objects at IoU 0.5.
    is_best : bool
        Whether no earlier model was as good by `TrainConfig.best_by`; the weights are then kept.
    loss : float
        Loss on patches of what is held out; nan where it has none.
    train_loss : float
        Mean loss of the training since the last validation.
    iou, dice, f1, ap, pixels, objects, images, separation
        As in `Score`.
    """

    is_event: ClassVar[bool] = True

    epoch: int
    score: float
    is_best: bool
    loss: float = nan
    train_loss: float = nan
    iou: Mapping[int, float] = field(default_factory=dict)
    dice: Mapping[int, float] = field(default_factory=dict)
    f1: float = nan
    ap: float = nan
    pixels: int = 0
    objects: int = 0
    images: int = 0
    separation: float | None = None

    @property
    def basis(self) -> str:
        """What the score rests on, such as "12 objects, 5000 pixels of 2 images"."""
        objects = f"{counted(self.objects, 'object')}, " * bool(self.objects)
        return f"{objects}{counted(self.pixels, 'pixel')} of {counted(self.images, 'image')}"


def counted(count: int, noun: str) -> str:
    """Such as "1 image" or "2 images"."""
    return f"{count} {noun}" + "s" * (count != 1)


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
class LabelsStep(Step):
    """Answer to `AddLabels`: the labels are trained on, or scored on, from now on.

    Parameters
    ----------
    done, total : int
        As in `Step`; `done` is that of the last training step.
    image : int
        Number of the image in the training set.
    train, validate : dict of int to int
        Labelled pixels by class value in all images: of the training, and held out.
    strokes : int
        Connected strokes or regions that are held out.
    """

    image: int
    train: Mapping[int, int]
    validate: Mapping[int, int]
    strokes: int = 0


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
