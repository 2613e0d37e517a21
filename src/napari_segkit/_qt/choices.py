"""A combo box of the viewer's layers."""

from typing import Any

from napari.layers import Image, Labels
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from .proxies import unwrapped

KINDS = {"image": Image, "labels": Labels}


class LayerChoice(QComboBox):
    """Choose one of the viewer's layers of one kind; follows the layer list.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers to offer, the topmost first.
    kind : str
        "image" or "labels".
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    layer_changed : Signal()
        Another layer is chosen, or none any more.
    """

    layer_changed = Signal()

    def __init__(self, viewer: Any, kind: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer_list = unwrapped(viewer).layers
        self._kind = KINDS[kind]
        self._layers: list[Any] = []
        self._current: Any = None
        self.setPlaceholderText(f"no {kind} layer")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        events = self._layer_list.events
        for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
            emitter.connect(self._refresh)
        self.currentIndexChanged.connect(self._on_index)
        self._refresh()

    def current_layer(self) -> Any:
        """The chosen layer, or None."""
        return self._current

    def set_layer(self, layer: Any) -> None:
        """Choose a layer of the list.

        Parameters
        ----------
        layer : napari.layers.Layer
            One of the viewer's layers, of this box's kind.

        Raises
        ------
        ValueError
            If the box does not list it.
        """
        layer = unwrapped(layer)
        found = [i for i, listed in enumerate(self._layers) if listed is layer]
        if not found:
            raise ValueError(f"{layer} is not among the viewer's {self._kind.__name__} layers.")
        self.setCurrentIndex(found[0])

    def _refresh(self, event: Any = None) -> None:
        if not isalive(self):
            return
        self._layers = [x for x in reversed(self._layer_list) if isinstance(x, self._kind)]
        kept = [i for i, layer in enumerate(self._layers) if layer is self._current]
        blocked = self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        self.setCurrentIndex(kept[0] if kept else 0 if self._layers else -1)
        self.blockSignals(blocked)
        self._on_index(self.currentIndex())

    def _on_index(self, index: int) -> None:
        layer = self._layers[index] if index >= 0 else None
        if layer is not self._current:
            self._current = layer
            self.layer_changed.emit()
