"""Notification of changed pixels."""

from collections.abc import Callable, Iterable

from napari.components import Dims, ViewerModel
from napari.layers import Labels, Layer
from napari.utils.events import EventEmitter
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal


class Listener:
    """Calls a function at events of layers that change, as long as its owner exists."""

    def __init__(self, owner: QObject, function: Callable[[], object]) -> None:
        self._owner, self._function = owner, function
        self._emitters: dict[EventEmitter, None] = {}

    def listen(self, emitters: Iterable[EventEmitter]) -> None:
        """Listen to these emitters instead of earlier ones."""
        before, self._emitters = self._emitters, dict.fromkeys(emitters)
        for emitter in before:
            if emitter not in self._emitters:
                emitter.disconnect(self._on_event)
        for emitter in self._emitters:  # napari takes milliseconds for a few
            if emitter not in before:
                emitter.connect(self._on_event)

    def _on_event(self) -> None:
        if isalive(self._owner):
            self._function()


def emitters_of(layer: Layer | None, *names: str) -> list[EventEmitter]:
    """Emitters of events of a layer; none without a layer."""
    return [] if layer is None else [getattr(layer.events, name) for name in names]


class LayerWatcher(QObject):
    """Watches the pixels of one Labels layer at a time.

    napari announces undo only as a redraw, as it does a move to another slice; the latter is
    filtered out.
    """

    painted = Signal()  # pixels have changed
    redrawn = Signal()  # pixels may have changed

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._slice: object = None
        self.layer: Labels | None = None
        self._paint_events = Listener(self, self.painted.emit)
        self._redraw_events = Listener(self, self._on_redrawn)

    def watch(self, layer: Labels | None) -> None:
        """Watch this layer instead of the previous one."""
        if layer is self.layer:
            return
        self.layer = layer
        self._slice = self._current_slice()
        self._paint_events.listen(emitters_of(layer, "paint", "data"))
        self._redraw_events.listen(emitters_of(layer, "set_data"))

    def _on_redrawn(self) -> None:
        before, self._slice = self._slice, self._current_slice()
        if before == self._slice:
            self.redrawn.emit()

    def _current_slice(self) -> object:
        return None if self.layer is None else displayed_slice(self._dims, self.layer)


class EditCounter:
    """Counts how often the pixels of a Labels layer may have changed; can be read in any thread."""

    def __init__(self, viewer: ViewerModel, layer: Labels) -> None:
        self.count = 0
        self._dims, self._layer = viewer.dims, layer
        self._slice = displayed_slice(self._dims, layer)
        for emitter in emitters_of(layer, "labels_update", "paint", "data"):
            emitter.connect(self._on_painted)  # the first during a stroke
        layer.events.set_data.connect(self._on_redrawn)

    def _on_painted(self) -> None:
        self.count += 1

    def _on_redrawn(self) -> None:
        before, self._slice = self._slice, displayed_slice(self._dims, self._layer)
        self.count += before == self._slice


def displayed_slice(dims: Dims, layer: Labels) -> tuple[list[int], dict[int, float]]:
    """Displayed dimensions and slice of a layer; dimensions counted from the last."""
    first = -layer.ndim
    shown = [i - dims.ndim for i in dims.displayed]
    hidden = {i - dims.ndim: dims.point[i] for i in dims.not_displayed}
    return [i for i in shown if i >= first], {i: x for i, x in hidden.items() if i >= first}
