"""Choice of what a training begins with."""

from typing import Literal, TypeAlias

from qtpy.compat import isalive

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.models import model_info
from napari_segkit.segmenter import Start

TOOLTIP = (
    "<p>New weights: random, or the pretrained ones chosen in the Model dock. Current model: goes "
    "on with what it has learned, on more or corrected labels; further classes may be added. "
    "Stopped training: goes on where it was stopped, on the same image and labels.</p>"
)
NEW, CURRENT, STOPPED = "New weights", "Current model", "Stopped training"


Begin: TypeAlias = Start | Literal["stopped"] | None


class StartChoice(Choice[Begin]):
    """New weights, those of the session's model, or the training that was stopped."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__(tooltip=TOOLTIP)
        session.segmenter_changed.connect(self._update)
        session.interrupted.changed.connect(self._update)
        self._update()

    @property
    def start(self) -> Start | None:
        """What a new training starts from, as `fit` takes it."""
        return None if self.value == "stopped" else self.value

    def offered(self) -> list[tuple[str, Begin]]:
        session, segmenter = self._session, self._session.segmenter
        choices: list[tuple[str, Begin]] = [(NEW, None)]
        is_one = segmenter.trained is not None and segmenter.trained.members == 1
        if is_one and model_info(segmenter.spec.name).training != "pixels":
            choices.append((CURRENT, "current"))
        if session.interrupted.stopped is not None:
            choices.append((STOPPED, "stopped"))
        return choices

    def _update(self) -> None:
        if isalive(self.native):
            self.reset_choices()
