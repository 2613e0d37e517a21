"""Button of the Train dock that predicts its image as the Predict dock would."""

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.single_click_button import SingleClickButton
from napari_segkit._qt.widgets.when_visible import WhenVisible

PREDICT, STOP = "Predict", "Stop Predict"
TIP = "<p>Predict the image with the current model and the settings of the Predict dock.</p>"
NO_MODEL = "<p>Train or load a model first.</p>"
BUSY = "<p>A task is running: stop it or wait until it ends.</p>"


class PredictButton(SingleClickButton):
    """Starts a prediction, or stops it; hidden where there is no Predict dock to start it."""

    def __init__(self, session: Session) -> None:
        super().__init__(PREDICT)
        self._session = session
        self._state = WhenVisible(self, self.update_state)
        session.busy_changed.connect(self._on_busy)
        session.segmenter_changed.connect(self._state.request)
        self.setHidden(True)
        self.update_state()

    @property
    def is_predicting(self) -> bool:
        task = self._session.task
        return task is not None and task.objectName() == PREDICT

    def update_state(self) -> None:
        """Say what a press does now, or why it does nothing."""
        can_predict, is_busy = self._session.segmenter.can_predict, self._session.task is not None
        self.setText(STOP if self.is_predicting else PREDICT)
        self.setEnabled(self.is_predicting or (can_predict and not is_busy))
        self.setToolTip(TIP if self.isEnabled() else BUSY if is_busy else NO_MODEL)

    def _on_busy(self) -> None:
        if self._session.task is not None:
            self._session.task.objectNameChanged.connect(self._state.request)
        self._state.request()
