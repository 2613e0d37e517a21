"""The models that were trained since the window was opened."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from napari_segkit.models import model_info
from napari_segkit.training.validation_history import validations_of

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

KEEP_AT_MOST = 10


@dataclass(frozen=True, eq=False)
class TrainedHere:
    """A model, and when its training ended."""

    model: "TrainedModel"
    ended: datetime

    def describe(self, name: str = "") -> str:
        """Time, validation figure and name, such as "14:05, Dice 0.812, U-Net"."""
        best = next((v for v in reversed(validations_of(self.model)) if v.is_best), None)
        figure = "not validated"
        if best is not None:
            figure = f"{'F1' if self.model.predicts_objects else 'Dice'} {best.score:.3f}"
        title, members = model_info(self.model.spec.name).title, self.model.members
        title = f"mean of {members} {title}" if members > 1 else title
        return f"{self.ended:%H:%M}, {figure}, {name or title}"


class TrainedModels:
    """The last few models that a session has trained, the newest first.

    Only the session's own model may be on a graphics card.
    """

    def __init__(self) -> None:
        self.all: list[TrainedHere] = []

    def add(self, model: "TrainedModel") -> None:
        """Add a model that was just trained."""
        for earlier in self.all:
            earlier.model.network.cpu()
        self.all = [TrainedHere(model, datetime.now()), *self.all][:KEEP_AT_MOST]

    def update(self, model: "TrainedModel | None") -> None:
        """Hold a model as it is now, such as with other refinement settings."""
        if model is not None and (number := self.number_of(model)) is not None:
            self.all[number] = TrainedHere(model, self.all[number].ended)

    def number_of(self, model: "TrainedModel | None") -> int | None:
        """Which of them a model is, also one whose refinement was changed."""
        same = (i for i, x in enumerate(self.all) if model and x.model.identity == model.identity)
        return next(same, None)
