"""Button to train without the missing pretrained weights."""

from dataclasses import replace

from qtpy.QtWidgets import QPushButton

from napari_segkit._qt.session.session import Session
from napari_segkit.models.weights.pretrained import WeightsError


class RandomWeightsButton(QPushButton):
    """Removes the pretrained weights from the session's model; hidden unless they are missing."""

    def __init__(self, session: Session) -> None:
        super().__init__("Train from random weights")
        self.setToolTip("Train without the pretrained weights that are missing.")
        self._session = session
        self.hide()
        self.clicked.connect(self._remove_weights)
        session.segmenter_changed.connect(self.hide)
        session.busy_changed.connect(self._on_busy)

    def offer(self, error: BaseException) -> None:
        """Show the button if a training failed because weights are missing."""
        self.setVisible(isinstance(error, WeightsError))

    def _remove_weights(self) -> None:
        segmenter = self._session.segmenter
        segmenter.spec = replace(segmenter.spec, weights=None)
        self._session.segmenter_changed.emit()

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self.hide()
