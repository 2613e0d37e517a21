"""Row that keeps the probabilities of a prediction and shows them as layers."""

import weakref

from magicgui.widgets import CheckBox
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_segkit._qt.layers.probability_layers import show_probabilities
from napari_segkit._qt.session.session import Session

KEEP_TIP = (
    "<p>Keep the class probabilities of the next prediction in memory, for the Refine dock: 4 "
    "bytes per pixel and class, until its layer is removed. A result that is written to a folder "
    "has them there.</p>"
)
SHOW_TIP = "<p>Add one Image layer per class with the probabilities kept last.</p>"


class ProbabilitiesRow(QWidget):
    """Keep the probabilities of the next prediction, or show those kept last."""

    message = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: weakref.ref[Labels] | None = None
        self.keep = CheckBox(text="Keep probabilities", tooltip=KEEP_TIP)
        self.button = QPushButton("Show as layers", toolTip=SHOW_TIP)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.keep.native, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.show_layers)
        session.probabilities_changed.connect(self._on_probabilities)
        session.viewer.layers.events.removed.connect(self._update_state)
        self._update_state()

    def show_layers(self) -> None:
        """Add or update one Image layer per class."""
        layer = self._layer and self._layer()
        maps = None if layer is None else self._session.probabilities_of(layer)
        if maps is not None:
            layers = show_probabilities(self._session.viewer, layer, maps)
            self.message.emit(f"{len(layers)} probability layers written.")

    def _on_probabilities(self, layer: Labels) -> None:
        self._layer = weakref.ref(layer)
        self._update_state()

    def _update_state(self) -> None:
        if not isalive(self):
            return
        layer, viewer = self._layer and self._layer(), self._session.viewer
        exists = layer is not None and viewer is not None and layer in viewer.layers
        self.button.setEnabled(exists and self._session.probabilities_of(layer) is not None)
