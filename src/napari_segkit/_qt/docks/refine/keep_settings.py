"""Keeping a recipe with the session's model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import once
from napari_segkit._qt.widgets.dock import Note, problem_of
from napari_segkit._qt.widgets.model_summary import can_predict
from napari_segkit.config import RefineConfig

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

KEEP = "Every prediction of the model in use is refined so; the recipe goes into its file."
NO_MODEL = "Train or load a model first."
KEPT = "Kept: every prediction of this model is refined so. Save the model to keep that."


class KeepSettingsButton(QWidget):
    """A button that makes a recipe the model's own.

    Parameters
    ----------
    session : Session
        Whose model it is.
    recipe : callable
        Gives the recipe; ValueError where its numbers do not go together.
    """

    def __init__(self, session: "Session", recipe: Callable[[], RefineConfig]) -> None:
        super().__init__()
        self._session, self._recipe = session, recipe
        self.button = QPushButton("Keep with the model")
        self.status = Note()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.button)
        column.addWidget(self.status)
        self.button.clicked.connect(self.keep)
        session.segmenter_changed.connect(self.recipe_changed)
        session.busy_changed.connect(self._update_state)
        self._update_state()

    def keep(self) -> None:
        """Have every prediction of the session's model refined so."""
        self.status.setText("")
        steps = once(_keep, self._session.segmenter, self._recipe())  # it may load weights first
        task = self._session.run(steps, title="Keep the recipe")
        task.returned.connect(self._on_kept)
        task.errored.connect(self._on_error)

    def recipe_changed(self) -> None:
        """Say nothing any more of a recipe that is another than the model's."""
        if not self._fits or self._session.segmenter.refine != self._recipe():
            self.status.setText("")
        self._update_state()

    @property
    def _fits(self) -> bool:
        return problem_of(self._recipe) is None

    def _update_state(self) -> None:
        model, free = can_predict(self._session.segmenter), self._session.task is None
        self.button.setEnabled(model and free and self._fits)
        self.button.setToolTip(KEEP if model else NO_MODEL)

    def _on_kept(self, _: Any) -> None:
        self.status.setText(KEPT)

    def _on_error(self, error: Exception) -> None:
        self.status.setText(str(error) or type(error).__name__)


def _keep(segmenter: Any, recipe: RefineConfig) -> None:
    segmenter.refine = recipe
