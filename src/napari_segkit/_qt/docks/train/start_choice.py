"""Choice of the weights that a training begins with."""

from qtpy.compat import isalive

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.models import model_info
from napari_segkit.segmenter import Start

TOOLTIP = (
    "New weights: random, or the pretrained ones chosen in the Model dock. Current model: goes on "
    "with what it has learned, on more or corrected labels; further classes may be added."
)
UNTRAINED = "There is no trained model to start from."
ALWAYS_ANEW = "The pixel classifier is always trained anew."


class StartChoice(Choice[Start | None]):
    """New weights, or those of the session's model, if it is trained."""

    def __init__(self, session: Session) -> None:
        choices: list[tuple[str, Start | None]] = [("New weights", None)]
        super().__init__([*choices, ("Current model", "current")])
        self._session = session
        session.segmenter_changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        if not isalive(self.native):
            return
        segmenter = self._session.segmenter
        is_anew = model_info(segmenter.spec.name).training == "pixels"
        self.enabled = segmenter.is_trained and not is_anew
        if not self.enabled:
            self.value = None
        self.tooltip = TOOLTIP if self.enabled else ALWAYS_ANEW if is_anew else UNTRAINED
