"""Choice of the pixels that count: those of a region, and those that the model has not seen."""

from collections.abc import Callable

from napari.layers import Labels, Layer, Shapes
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_watcher import LayerWatcher, Listener, emitters_of
from napari_segkit._qt.layers.snapshots import (
    ShapesSnapshot,
    Snapshot,
    shapes_snapshot,
    shared_snapshot,
)
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets import python_snippets
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.layer_choice import LayerChoice

REGION_TIP = (
    "<p>Only what lies inside the shapes of a Shapes layer counts, or where a Labels layer is not "
    "0.</p>"
)
SEEN_TIP = (
    "<p>Pixels that the model of the prediction was trained on, or that chose its best step. It "
    "knows an image by its pixels.</p>"
)
SEEN = {
    "left out": (True, "Only pixels that the model has not seen count."),
    "counted": (False, "All pixels count, and the metrics are marked."),
}


class PixelsChoice(QObject):
    """Which pixels count; a dock lays out the widgets. `offers` says which layers are a region."""

    changed = Signal()

    def __init__(self, session: Session, parent: QObject, offers: Callable[[Layer], bool]) -> None:
        super().__init__(parent)
        self.region = LayerChoice(
            session.viewer, "shapes or labels", none="all pixels", only=offers, tooltip=REGION_TIP
        )
        texts = [(text, value) for text, (value, _) in SEEN.items()]
        self.seen = Choice(texts, tooltip=SEEN_TIP, tips=[tip for _, tip in SEEN.values()])
        self._edits = 0
        self._watch = LayerWatcher(unwrapped(session.viewer), self)
        self._outlines = Listener(self, self._on_edited)
        self._watch.painted.connect(self._on_edited)
        self._watch.redrawn.connect(self._on_edited)
        self.region.changed.connect(self._on_region)
        self.seen.changed.connect(lambda _: self.changed.emit())

    @property
    def key(self) -> tuple[object, ...]:
        """Differs where other pixels count."""
        region = self.region.value
        return str(getattr(region, "unique_id", "")), self._edits, self.seen.value

    @property
    def problem(self) -> str | None:
        """Why nothing can count; None if pixels do."""
        layer = unwrapped(self.region.value)
        if isinstance(layer, Shapes) and not layer.data:
            return f"{layer.name} holds no shape: draw one, or choose another Region."
        return None

    def region_snapshot(self) -> Snapshot | ShapesSnapshot | None:
        """The region for a worker, which copies its pixels; None: all pixels."""
        layer = unwrapped(self.region.value)
        if isinstance(layer, Shapes):
            return shapes_snapshot(layer)
        return None if layer is None else shared_snapshot(layer)

    def keywords(self) -> str:
        """The region as Python code; "" of all pixels."""
        layer = self.region.value
        return "" if layer is None else f", region={python_snippets.layer(layer)}"

    def _on_region(self) -> None:
        layer = self.region.value
        self._watch.watch(layer if isinstance(layer, Labels) else None)
        self._outlines.listen(emitters_of(layer if isinstance(layer, Shapes) else None, "data"))
        self._on_edited()

    def _on_edited(self) -> None:
        self._edits += 1
        self.changed.emit()
