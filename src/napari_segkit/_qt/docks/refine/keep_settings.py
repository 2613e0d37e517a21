"""Button that stores the refinement settings with the model."""

from collections.abc import Callable

from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import TaskButtons, stack, validation_error
from napari_segkit.config import RefineConfig
from napari_segkit.segmenter import Segmenter

STORE_TIP = (
    "<p>Use these refinement settings for every prediction of the current model. They are saved in "
    "the model file.</p>"
)
NO_MODEL = "Train or load a model first."
STORED = "Stored with the model and used for its predictions. Save the model to keep them."


class KeepSettingsButton(TaskButtons):
    """Stores the settings from `settings()`, which may raise ValueError, with the model."""

    def __init__(self, session: Session, settings: Callable[[], RefineConfig]) -> None:
        super().__init__(session)
        self._settings = settings
        self._stored: RefineConfig | None = None  # or refused: what the message is about
        self.button = QPushButton("Store with the model")
        stack(self, self.button, self.status)
        self.button.clicked.connect(self.store)
        session.segmenter_changed.connect(self.update_settings)
        self._update_state()

    def store(self) -> None:
        """Use the settings for every prediction of the model, in the background."""
        segmenter, self._stored = self._session.segmenter, self._settings()
        steps = call_once(_store_settings, segmenter, self._stored)  # may load weights first
        self._run(steps, "Store refinement settings", self._on_stored)

    def update_settings(self) -> None:
        """Clear the message if it is of other settings, or the model has others by now."""
        is_other = not self._valid or self._settings() != self._stored
        if is_other or (self.status.text() == STORED and not self._is_stored):
            self.status.setText("")
        self._state.request()

    @property
    def _is_stored(self) -> bool:
        return self._session.segmenter.refine == self._stored

    @property
    def _valid(self) -> bool:
        return validation_error(self._settings) is None

    def _update_state(self) -> None:
        usable, free = self._session.segmenter.can_predict, self._session.task is None
        self.button.setEnabled(usable and free and self._valid)
        self.button.setToolTip(STORE_TIP if usable else NO_MODEL)

    def _on_stored(self, _: object) -> None:
        self.status.setText(STORED)


def _store_settings(segmenter: Segmenter, settings: RefineConfig) -> None:
    segmenter.refine = settings
