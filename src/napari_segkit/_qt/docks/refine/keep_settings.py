"""Button that stores the refinement settings with the model."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.widgets.dock import Note, validation_error
from napari_segkit._qt.widgets.model_summary import can_predict
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.config import RefineConfig

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.segmenter import Segmenter

STORE_TIP = (
    "<p>Use these refinement settings for every prediction of the current model. They are saved in "
    "the model file.</p>"
)
NO_MODEL = "Train or load a model first."
STORED = "Stored with the model and used for its predictions. Save the model to keep them."


class KeepSettingsButton(QWidget):
    """Stores the settings from `settings()`, which may raise ValueError, with the model."""

    def __init__(self, session: "Session", settings: Callable[[], RefineConfig]) -> None:
        super().__init__()
        self._session, self._settings = session, settings
        self._state = WhenVisible(self, self._update_state)
        self.button = QPushButton("Store with the model")
        self.status = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.button)
        column.addWidget(self.status)
        self.button.clicked.connect(self.store)
        session.segmenter_changed.connect(self.update_settings)
        session.busy_changed.connect(self._state.request)
        self._update_state()

    def store(self) -> None:
        """Use the settings for every prediction of the model, in the background."""
        self.status.setText("")
        segmenter = self._session.segmenter
        steps = call_once(_store_settings, segmenter, self._settings())  # may load weights first
        task = self._session.run(steps, title="Store refinement settings")
        task.returned.connect(self._on_stored)
        task.errored.connect(self._on_error)

    def update_settings(self) -> None:
        """Clear the message if the settings are no longer those of the model."""
        if not self._valid or self._session.segmenter.refine != self._settings():
            self.status.setText("")
        self._state.request()

    @property
    def _valid(self) -> bool:
        return validation_error(self._settings) is None

    def _update_state(self) -> None:
        usable, free = can_predict(self._session.segmenter), self._session.task is None
        self.button.setEnabled(usable and free and self._valid)
        self.button.setToolTip(STORE_TIP if usable else NO_MODEL)

    def _on_stored(self, _: object) -> None:
        self.status.setText(STORED)

    def _on_error(self, error: Exception) -> None:
        self.status.setText(str(error) or type(error).__name__)
        self._session.mark_error_shown(self)


def _store_settings(segmenter: "Segmenter", settings: RefineConfig) -> None:
    segmenter.refine = settings
