"""Whether the next prediction keeps its probabilities, and a button that shows the last ones."""

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_segkit._qt.layers.probability_layers import show_maps
from napari_segkit._qt.widgets.fields import BoolField

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_segkit._qt.session.session import Session

KEEP = (
    "<p>Remember how likely each class is at each pixel of the next prediction, for Refine: four "
    "bytes for each pixel and class, for as long as there is its layer.</p>"
)
SHOW = "An Image layer for each class, in its colour, of the last prediction that kept them."


class ProbabilitiesRow(QWidget):
    """Keep the probabilities of the next prediction, or show those of the last.

    Parameters
    ----------
    session : Session
        Where they are kept.

    Attributes
    ----------
    said : Signal(str)
        A sentence about what has happened.
    """

    said = Signal(str)

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self._session = session
        self._layer: Callable[[], Any] = lambda: None
        self.keep = BoolField()
        self.button = QPushButton("Show as layers")
        self.keep.setText("Keep probabilities")
        self.keep.setToolTip(KEEP)
        self.button.setToolTip(SHOW)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.keep, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.show_layers)
        session.probabilities_changed.connect(self._on_probabilities)
        session.viewer.layers.events.removed.connect(self._update_state)
        self._update_state()

    def show_layers(self) -> None:
        """Add or update the layers of the last probabilities."""
        layer = self._layer()
        maps = None if layer is None else self._session.probabilities_of(layer)
        if maps is not None:
            shown = show_maps(self._session.viewer, layer, maps)
            self.said.emit(f"{len(shown)} layers of probabilities.")

    def _on_probabilities(self, layer: Any) -> None:
        self._layer = weakref.ref(layer)
        self._update_state()

    def _update_state(self) -> None:
        if not isalive(self):
            return
        layer, viewer = self._layer(), self._session.viewer
        there = layer is not None and viewer is not None and layer in viewer.layers
        self.button.setEnabled(there and self._session.probabilities_of(layer) is not None)
