"""Hearing that the pixels of a layer may have changed."""

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari.layers import Labels


class PixelWatch(QObject):
    """Watches one Labels layer at a time.

    `painted` is emitted when pixels have changed, `redrawn` when they may have: napari says
    nothing else about undo, and the same when a person moves to another slice.
    """

    painted = Signal()
    redrawn = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layer: Labels | None = None

    def watch(self, layer: "Labels | None") -> None:
        """Watch this layer instead of the one before."""
        if layer is self.layer:
            return
        if self.layer is not None:
            self.layer.events.paint.disconnect(self._on_painted)
            self.layer.events.data.disconnect(self._on_painted)
            self.layer.events.set_data.disconnect(self._on_redrawn)
        self.layer = layer
        if layer is not None:
            layer.events.paint.connect(self._on_painted)
            layer.events.data.connect(self._on_painted)
            layer.events.set_data.connect(self._on_redrawn)

    def _on_painted(self) -> None:
        if isalive(self):
            self.painted.emit()

    def _on_redrawn(self) -> None:
        if isalive(self):
            self.redrawn.emit()
