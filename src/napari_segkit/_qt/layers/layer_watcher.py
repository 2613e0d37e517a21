"""Notification of changed pixels."""

from typing import TYPE_CHECKING

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

if TYPE_CHECKING:
    from napari.components import Dims, ViewerModel
    from napari.layers import Labels


class LayerWatcher(QObject):
    """Watches the pixels of one Labels layer at a time.

    napari announces undo only as a redraw, as it does a move to another slice; the latter is
    filtered out.
    """

    painted = Signal()  # pixels have changed
    redrawn = Signal()  # pixels may have changed

    def __init__(self, viewer: "ViewerModel", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._slice: object = None
        self.layer: Labels | None = None

    def watch(self, layer: "Labels | None") -> None:
        """Watch this layer instead of the previous one."""
        if layer is self.layer:
            return
        if self.layer is not None:
            self.layer.events.paint.disconnect(self._on_painted)
            self.layer.events.data.disconnect(self._on_painted)
            self.layer.events.set_data.disconnect(self._on_redrawn)
        self.layer = layer
        self._slice = self._current_slice()
        if layer is not None:
            layer.events.paint.connect(self._on_painted)
            layer.events.data.connect(self._on_painted)
            layer.events.set_data.connect(self._on_redrawn)

    def _on_painted(self) -> None:
        if isalive(self):
            self.painted.emit()

    def _on_redrawn(self) -> None:
        before, self._slice = self._slice, self._current_slice()
        if isalive(self) and before == self._slice:
            self.redrawn.emit()

    def _current_slice(self) -> object:
        return None if self.layer is None else displayed_slice(self._dims, self.layer)


class EditCounter:
    """Counts how often the pixels of a Labels layer may have changed; can be read in any thread."""

    def __init__(self, viewer: "ViewerModel", layer: "Labels") -> None:
        self.count = 0
        self._dims, self._layer = viewer.dims, layer
        self._slice = displayed_slice(self._dims, layer)
        layer.events.labels_update.connect(self._on_painted)  # during a stroke
        layer.events.paint.connect(self._on_painted)
        layer.events.data.connect(self._on_painted)
        layer.events.set_data.connect(self._on_redrawn)

    def _on_painted(self) -> None:
        self.count += 1

    def _on_redrawn(self) -> None:
        before, self._slice = self._slice, displayed_slice(self._dims, self._layer)
        self.count += before == self._slice


def displayed_slice(dims: "Dims", layer: "Labels") -> tuple[list[int], dict[int, float]]:
    """Displayed dimensions and slice of a layer; dimensions counted from the last."""
    first = -layer.ndim
    shown = [i - dims.ndim for i in dims.displayed]
    hidden = {i - dims.ndim: dims.point[i] for i in dims.not_displayed}
    return [i for i in shown if i >= first], {i: x for i, x in hidden.items() if i >= first}
