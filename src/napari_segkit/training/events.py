"""What a training yields: its steps, validations and answers to commands."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray
from napari_segkit.steps import Step

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel


class DivergenceWarning(UserWarning):
    """A training ended early because a loss or gradient was NaN or infinite; its model is kept."""


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


@dataclass(frozen=True, eq=False)
class Example:
    """An image that was validated on.

    Parameters
    ----------
    image : AxesImage
        The image.
    labels, prediction : ndarray
        Class values, or object ids, in its shape without channels.
    mask : ndarray of bool or None
        The pixels that count; None: all of them.
    objects : bool
        Whether the values are ids of objects.
    """

    image: AxesImage
    labels: AnyArray
    prediction: AnyArray
    mask: AnyArray | None = None
    objects: bool = False


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
    examples : tuple of Example
        A few of the images, with what was predicted of them.
    """

    is_event: ClassVar[bool] = True

    epoch: int
    score: float
    is_best: bool
    examples: tuple[Example, ...] = field(default=(), repr=False)


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
