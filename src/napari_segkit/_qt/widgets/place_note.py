"""Note that two layers do not lie on each other."""

from collections.abc import Callable

from napari.layers import Layer

from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of

from .dock import Note

TRANSFORM_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


class PlaceNote(Note):
    """Shows a text about the places of some layers, and follows them when they are moved."""

    def __init__(self, text: Callable[[], str | None]) -> None:
        super().__init__()
        self._text = text
        self._events = Listener(self, self.update_text)

    def follow(self, *layers: Layer | None) -> None:
        """Follow these layers instead of others."""
        self._events.listen(e for x in layers for e in emitters_of(x, *TRANSFORM_EVENTS))
        self.update_text()

    def update_text(self) -> None:
        self.setText(self._text() or "")
