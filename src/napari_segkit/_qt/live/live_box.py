"""The switch of live training, with what it tells."""

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.single_click_button import SingleClickButton

from .live_training import LiveData, LiveTraining

OFF, ON, STOPPING = "Live: off", "Live: on", "Live: stopping …"
TIP = (
    "<p>Train while you paint: each stroke is learned from at once, and what is in view is "
    "predicted again and again. Press again to stop; the model is kept.</p>"
)
ONCE, ONCE_TIP = "Update once", "<p>Predict what is in view now, however large it is.</p>"
COLOR = "QPushButton {{ background-color: {}; color: white; font-weight: bold; }}"
STYLES = {OFF: "", ON: COLOR.format("#2e7d32"), STOPPING: COLOR.format("#b26a00")}


class LiveBox(QWidget):
    """Switches live training on and off; shows where it is and the share of each class in view.

    The dock begins the training when `switched_on` is sent, and gives it to `follow`.
    """

    switched_on = Signal()
    ended = Signal(object)  # the LiveTraining

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.live: LiveTraining | None = None
        self._reason: str | None = None
        self.switch = SingleClickButton(OFF, toolTip=TIP)
        self.once = QPushButton(ONCE, toolTip=ONCE_TIP)
        self.status, self.shares = Note(), Note()
        stack(self, (self.switch, self.once), self.status, self.shares)
        self.switch.clicked.connect(self._on_clicked)
        self.once.clicked.connect(self._on_once)
        session.busy_changed.connect(self._update_state)
        task = session.task
        found = None if task is None else task.findChild(LiveTraining)
        self._update_state() if found is None else self.take(found)

    @property
    def is_on(self) -> bool:
        """Whether a live training runs."""
        return self.live is not None

    def follow(self, data: LiveData, earlier: LiveTraining | None) -> None:
        """Follow the session's task, which has just begun, as a live training."""
        if self._session.task is not None:
            self.take(LiveTraining(self._session, self._session.task, data, earlier))

    def take(self, live: LiveTraining) -> None:
        """Follow a live training, such as that of a dock that was closed."""
        self.live = live
        live.told.connect(self.status.setText)
        live.told.connect(self._update_state)
        live.shares_told.connect(self.shares.setText)
        live.ended.connect(self._on_ended)
        self.status.setText(live.status)
        self._update_state()

    def set_reason(self, reason: str | None) -> None:
        """Set why it cannot be switched on; None allows it."""
        self._reason = reason
        self._update_state()

    def _on_clicked(self) -> None:
        if self.live is None:
            self.switched_on.emit()
        else:
            self.live.stop()

    def _on_once(self) -> None:
        if self.live is not None:
            self.live.update_once()

    def _on_ended(self, live: LiveTraining) -> None:
        if isalive(self):
            self.live = None
            self.shares.setText("")
            self.status.setText(live.note)
            self._update_state()
            self.ended.emit(live)

    def _update_state(self) -> None:
        if not isalive(self):
            return
        live = self.live
        text = OFF if live is None else STOPPING if live.is_stopping else ON
        if text != self.switch.text():
            self.switch.setText(text)
            self.switch.setStyleSheet(STYLES[text])
        is_free = self._session.task is None and self._reason is None
        self.switch.setEnabled(is_free if live is None else not live.is_stopping)
        self.once.setEnabled(live is not None and not live.is_stopping)
