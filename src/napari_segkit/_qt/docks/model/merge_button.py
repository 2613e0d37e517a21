"""Merging the session's model with one that gives classes."""

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import once
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.model_summary import can_predict
from napari_segkit.models import kind_of

from .model_files import FILES

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.segmenter import Segmenter

MERGE = (
    "Add the classes of another model file for what lies between the objects: one model then gives "
    "both."
)
NO_OBJECTS = "Nothing to merge: train or load a model that gives objects first."
ONCE = "This model is merged already."


class MergeButton(QWidget):
    """A button that makes the session's model of objects one of objects and classes.

    Parameters
    ----------
    session : Session
        Whose model it is.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.button = QPushButton("Merge with a semantic model …")
        self.status = Note()
        self._session = session
        self._made: Any = None  # the trained model that the status is about
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.button)
        column.addWidget(self.status)
        self.button.clicked.connect(self._on_pressed)
        session.busy_changed.connect(self._update_state)
        session.segmenter_changed.connect(self._on_segmenter)
        self._update_state()

    def merge(self, path: str) -> None:
        """Merge with a model file in the background; the session then holds the merged model."""
        self.status.setText("")
        steps = once(_merge, path, self._session.segmenter)
        task = self._session.run(steps, title="Merge models")
        task.returned.connect(self._on_merged)
        task.errored.connect(self._on_errored)

    def _on_pressed(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Merge with a semantic model", "", FILES)[0]
        if path:
            self.merge(path)

    def _on_merged(self, merged: "Segmenter") -> None:
        self._made = merged.trained
        self._session.segmenter = merged
        self.status.setText("Merged. Save it to keep both models in one file.")

    def _on_errored(self, error: Exception) -> None:
        self.status.setText(str(error))

    def _on_segmenter(self) -> None:
        if self._session.segmenter.trained is not self._made:
            self.status.setText("")
        self._update_state()

    def _update_state(self) -> None:
        held, busy = self._session.segmenter, self._session.task is not None
        merged = held.trained is not None and held.trained.kind == "panoptic"
        gives = can_predict(held) and kind_of(held.spec) != "semantic"
        self.button.setEnabled(gives and not merged and not busy)
        self.button.setToolTip(ONCE if merged else MERGE if gives else NO_OBJECTS)


def _merge(path: str, instance: "Segmenter") -> "Segmenter":
    """One model of both; the session's own is what it can go back to."""
    from napari_segkit.merged_model import merge_panoptic
    from napari_segkit.segmenter import Segmenter

    merged = merge_panoptic(Segmenter.load(path, device=instance.device), instance)
    merged.previous = instance.trained
    return merged
