"""Contours of truth and prediction over the image."""

from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.error_layers import remove_contours, show_contours
from napari_segkit._qt.layers.layer_watcher import LayerWatcher, Listener


class Contours(QObject):
    """Shows the contours of two layers, and follows their pixels."""

    changed = Signal()
    ended = Signal()  # because a layer was removed

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._shown: list[tuple[Labels, Labels]] = []  # contours, and the layer they are of
        self._watches = LayerWatcher(viewer, self), LayerWatcher(viewer, self)
        for watch in self._watches:
            watch.painted.connect(self._refresh)
            watch.redrawn.connect(self._refresh)
        self._removals = Listener(self, self._on_removed)
        self._removals.listen([viewer.layers.events.removed])

    @property
    def are_shown(self) -> bool:
        return bool(self._shown)

    def show(self, prediction: Labels, truth: Labels) -> None:
        """Show the contours of two layers instead of these."""
        sources = prediction, truth
        self._shown = [*zip(show_contours(self._viewer, *sources), sources, strict=True)]
        self._follow(*sources)

    def hide(self) -> None:
        """Remove the contours."""
        if not self._shown:
            return
        self._shown = []
        remove_contours(self._viewer)
        self._follow(None, None)

    def _follow(self, prediction: Labels | None, truth: Labels | None) -> None:
        for watch, layer in zip(self._watches, (prediction, truth), strict=True):
            watch.watch(layer)
        self.changed.emit()

    def _refresh(self) -> None:
        """Draw the contours of what was painted, or of other pixels."""
        for contours, layer in self._shown:
            if contours.data is not layer.data:
                contours.data = layer.data
            contours.refresh()

    def _on_removed(self) -> None:
        layers = self._viewer.layers
        if any(x not in layers for pair in self._shown for x in pair):
            self.hide()
            self.ended.emit()
