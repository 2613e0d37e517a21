"""Choice of what a training begins with."""

from typing import Literal

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
NOTHING = "There is no trained model to start from."
ALWAYS_ANEW = "The pixel classifier is always trained anew."
NEW, CURRENT, STOPPED = "New weights", "Current model", "Stopped training"


class StartChoice(Choice[Start | Literal["stopped"] | None]):
    """New weights, those of the session's model, or the training that was stopped."""

    def __init__(self, session: Session) -> None:
        self._session = session
        super().__init__()
        session.segmenter_changed.connect(self._update)
        session.interrupted.changed.connect(self._update)
        self._update()

    @property
    def start(self) -> Start | None:
        """What a new training starts from, as `fit` takes it."""
        return None if self.value == "stopped" else self.value

    def offered(self) -> list[tuple[str, Start | Literal["stopped"] | None]]:
        session, choices = self._session, [(NEW, None)]
        segmenter = session.segmenter
        if segmenter.is_trained and model_info(segmenter.spec.name).training != "pixels":
            choices.append((CURRENT, "current"))
        if session.interrupted.stopped is not None:
            choices.append((STOPPED, "stopped"))
        return choices

    def _update(self) -> None:
        if not isalive(self.native):
            return
        self.reset_choices()
        is_anew = model_info(self._session.segmenter.spec.name).training == "pixels"
        self.enabled = len(self) > 1
        self.tooltip = TOOLTIP if self.enabled else ALWAYS_ANEW if is_anew else NOTHING
