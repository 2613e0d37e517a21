"""Merge the session's instance model with a semantic model."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.model_summary import can_predict
from napari_segkit._qt.widgets.when_visible import WhenVisible
from napari_segkit.models import predicts_objects

from .model_files import FILES

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.segmenter import Segmenter
    from napari_segkit.trained_model import TrainedModel

MERGE = (
    "Add the classes of a semantic model for the pixels outside the objects. The result is one "
    "panoptic model."
)
NO_OBJECTS = "Nothing to merge: train or load a model that predicts objects first."
ALREADY_MERGED = "This model is already merged."


class MergeButton(QWidget):
    """Button that turns the session's instance model into a panoptic one."""

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.button = QPushButton("Merge with a semantic model …")
        self.status = Note()
        self._session = session
        self._state = WhenVisible(self, self._update_state)
        self._merged: TrainedModel | None = None  # the trained model that the status text describes
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.button)
        column.addWidget(self.status)
        self.button.clicked.connect(self._on_clicked)
        session.busy_changed.connect(self._state.request)
        session.segmenter_changed.connect(self._on_segmenter)
        self._update_state()

    def merge(self, path: str) -> None:
        """Merge with a model file in the background; the session then uses the result."""
        self.status.setText("")
        steps = call_once(_merge, path, self._session.segmenter)
        task = self._session.run(steps, title="Merge models")
        task.returned.connect(self._on_merged)
        task.errored.connect(self._on_errored)

    def _on_clicked(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Merge with a semantic model", "", FILES)[0]
        if path:
            self.merge(path)

    def _on_merged(self, merged: "Segmenter") -> None:
        self._merged = merged.trained
        self._session.segmenter = merged
        self.status.setText("Merged. Save it to keep both models in one file.")

    def _on_errored(self, error: Exception) -> None:
        self.status.setText(str(error) or type(error).__name__)
        self._session.mark_error_shown(self)

    def _on_segmenter(self) -> None:
        if self._session.segmenter.trained is not self._merged:
            self.status.setText("")
        self._update_state()

    def _update_state(self) -> None:
        segmenter, busy = self._session.segmenter, self._session.task is not None
        merged = segmenter.trained is not None and segmenter.trained.stuff is not None
        finds_objects = can_predict(segmenter) and predicts_objects(segmenter.spec)
        self.button.setEnabled(finds_objects and not merged and not busy)
        self.button.setToolTip(ALREADY_MERGED if merged else MERGE if finds_objects else NO_OBJECTS)


def _merge(path: str, instance: "Segmenter") -> "Segmenter":
    """Merge with the model in `path`; `previous` keeps the instance model for undo."""
    from napari_segkit.merged_model import merge_panoptic
    from napari_segkit.segmenter import Segmenter

    merged = merge_panoptic(Segmenter.load(path, device=instance.device), instance)
    merged.previous = instance.trained
    return merged
