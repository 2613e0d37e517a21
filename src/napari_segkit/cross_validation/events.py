"""What a cross-validation yields, beside what its trainings do."""

from dataclasses import dataclass
from typing import ClassVar

from napari_segkit.steps import Step
from napari_segkit.training.events import TrainStep

from .results import Fold


@dataclass(frozen=True)
class FoldStep(Step):
    """Progress of a cross-validation.

    Parameters
    ----------
    done, total : int
        As in `Step`, of the steps of all trainings.
    fold, folds : int
        Which fold is held out, counted from 1, of how many.
    step : Step
        Step of its training, or of the prediction of what is held out.
    """

    fold: int
    folds: int
    step: Step

    @property
    def text(self) -> str:
        """What is done, such as "Fold 2 of 5: step 30 of 200, loss 0.412"."""
        step, fold = self.step, f"Fold {self.fold} of {self.folds}"
        if isinstance(step, TrainStep):
            return f"{fold}: step {step.done} of {step.total}, loss {step.loss:.3f}"
        return f"{fold}: {step.done} of {step.total}"


@dataclass(frozen=True)
class FoldEnded(Step):
    """A model was trained without a fold, and evaluated on it.

    Parameters
    ----------
    done, total : int
        As in `FoldStep`.
    fold : Fold
        What was found.
    """

    is_event: ClassVar[bool] = True

    fold: Fold

    @property
    def text(self) -> str:
        """What is done."""
        return f"Fold {self.fold.number} is complete"


@dataclass(frozen=True)
class FoldsChosen(Step):
    """The training set is read and divided.

    Parameters
    ----------
    done, total : int
        As in `FoldStep`.
    folds : int
        How many folds there are.
    over : str
        What is divided: "groups", "images" or "regions".
    notes : tuple of str
        What limits the metrics, such as a fold without a class.
    """

    is_event: ClassVar[bool] = True

    folds: int
    over: str
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is done, such as "5 folds over images"."""
        return f"{self.folds} folds over {self.over}"
