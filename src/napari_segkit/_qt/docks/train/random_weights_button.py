"""The way on where pretrained weights are missing."""

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_segkit.models.weights.pretrained import WeightsError

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session


class RandomWeightsButton(QPushButton):
    """Goes on without pretrained weights; hidden unless they are why a training failed.

    A press takes them out of the session's model; who listens to `clicked` then trains. A model
    that was trained before is one step back, as after any training.

    Parameters
    ----------
    session : Session
        Whose model it changes.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__("Train from random weights")
        self._session = session
        self.hide()
        self.clicked.connect(self._forget_weights)
        session.segmenter_changed.connect(self.hide)
        session.busy_changed.connect(self._on_busy)

    def offer(self, error: Exception) -> None:
        """Show it where weights are what was missing."""
        self.setVisible(isinstance(error, WeightsError))

    def _forget_weights(self) -> None:
        segmenter = self._session.segmenter
        segmenter.spec = replace(segmenter.spec, weights=None)
        self._session.segmenter_changed.emit()

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.hide()
