"""Merge the session's instance model with a semantic model."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import TaskButtons, stack
from napari_segkit.models import predicts_objects
from napari_segkit.segmenter import Segmenter

from .model_files import FILES

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

MERGE = (
    "Add the classes of a semantic model for the pixels outside the objects. The result is one "
    "panoptic model."
)
NO_OBJECTS = "Nothing to merge: train or load a model that predicts objects first."
ALREADY_MERGED = "This model is already merged."


class MergeButton(TaskButtons):
    """Button that turns the session's instance model into a panoptic one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.button = QPushButton("Merge with a semantic model …")
        self._merged: TrainedModel | None = None  # the trained model that the status text describes
        stack(self, self.button, self.status)
        self.button.clicked.connect(self._on_clicked)
        session.segmenter_changed.connect(self._on_segmenter)
        self._update_state()

    def merge(self, path: str) -> None:
        """Merge with a model file in the background; the session then uses the result."""
        self._run(call_once(_merge, path, self._session.segmenter), "Merge models", self._on_merged)

    def _on_clicked(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Merge with a semantic model", "", FILES)[0]
        if path:
            self.merge(path)

    def _on_merged(self, merged: Segmenter) -> None:
        self._merged = merged.trained
        self._session.segmenter = merged
        self.status.setText("Merged. Save it to keep both models in one file.")

    def _on_segmenter(self) -> None:
        if self._session.segmenter.trained is not self._merged:
            self.status.setText("")
        self._update_state()

    def _update_state(self) -> None:
        segmenter, busy = self._session.segmenter, self._session.task is not None
        merged = segmenter.trained is not None and segmenter.trained.stuff is not None
        finds_objects = segmenter.can_predict and predicts_objects(segmenter.spec)
        self.button.setEnabled(finds_objects and not merged and not busy)
        self.button.setToolTip(ALREADY_MERGED if merged else MERGE if finds_objects else NO_OBJECTS)


def _merge(path: str, instance: Segmenter) -> Segmenter:
    """Merge with the model in `path`; `previous` keeps the instance model for undo."""
    from napari_segkit.merged_model import merge_panoptic

    merged = merge_panoptic(Segmenter.load(path, device=instance.device), instance)
    merged.previous = instance.trained
    return merged
