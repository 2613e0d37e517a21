"""Hearing that the pixels of a layer may have changed."""

from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari.layers import Labels


class LayerWatcher(QObject):
    """Watches one Labels layer at a time.

    `painted` is emitted when pixels have changed, `redrawn` when they may have: napari says
    nothing else about undo. It says the same of a move to another slice, which is left out.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose sliders show where the layer is cut.
    parent : QObject, optional
        Owner.
    """

    painted = Signal()
    redrawn = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._place: object = None
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
        self._place = self._cut()
        if layer is not None:
            layer.events.paint.connect(self._on_painted)
            layer.events.data.connect(self._on_painted)
            layer.events.set_data.connect(self._on_redrawn)

    def _on_painted(self) -> None:
        if isalive(self):
            self.painted.emit()

    def _on_redrawn(self) -> None:
        before, self._place = self._place, self._cut()
        if isalive(self) and before == self._place:
            self.redrawn.emit()

    def _cut(self) -> object:
        """Which slice of the layer is shown: dimensions counted from the last, as layers' are."""
        if self.layer is None:
            return None
        dims = self._dims
        shown = [i - dims.ndim for i in dims.displayed]
        hidden = {i - dims.ndim: dims.point[i] for i in dims.not_displayed}
        ours = -self.layer.ndim
        return [i for i in shown if i >= ours], {i: x for i, x in hidden.items() if i >= ours}
