"""Combo box of the viewer's layers."""

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_segkit._qt.layers.unwrap_proxy import unwrapped

KINDS: dict[str, Any] = {
    "image": Image,
    "labels": Labels,
    "shapes": Shapes,
    "labels or image": (Labels, Image),
}


class LayerChoice(QComboBox):
    """Choose one of the viewer's layers of one kind, topmost first; follows the layer list.

    `none` is the text of an entry without a layer, which is then the default. `rank` gives the
    preference of a layer as default (lower is better, None for never); a layer chosen by a person
    stays chosen. `only` filters the layers; previews are never offered.
    """

    layer_changed = Signal()  # another layer is chosen, or none

    def __init__(
        self,
        viewer: Any,
        kind: str,
        *,
        none: str | None = None,
        rank: Callable[[Any], int | None] = lambda layer: int("segkit" in layer.metadata),
        only: Callable[[Any], bool] = lambda _: True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._layer_list = unwrapped(viewer).layers
        self._kind, self._title, self._only = KINDS[kind], kind.capitalize(), only
        self._layers: list[Any] = []
        self._current: Any = None
        self._none = none
        self._rank = rank if none is None else lambda layer: 0 if layer is None else None
        self._by_hand = False
        self.setPlaceholderText(f"no {kind} layer")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        events = self._layer_list.events
        for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
            emitter.connect(self._refresh)
        self.currentIndexChanged.connect(self._on_index)
        self.activated.connect(self._on_activated)
        self._refresh()

    def current_layer(self) -> Any:
        return self._current

    def set_layer(self, layer: Any) -> None:
        """Choose a layer as a person does (None: no layer); ValueError if not listed."""
        self.suggest(layer)
        self._by_hand = True

    def suggest(self, layer: Any) -> None:
        """Choose a layer until one of better rank appears; ValueError if not listed."""
        layer = unwrapped(layer)
        index = next((i for i, listed in enumerate(self._layers) if listed is layer), -1)
        if index < 0:
            raise ValueError(f"{layer} is not among the viewer's {self._title} layers.")
        self._by_hand = False
        self.setCurrentIndex(index)

    def choose_default(self) -> None:
        """Choose the layer of best rank, unless a person has chosen one."""
        self.setCurrentIndex(self._best())

    def _best(self) -> int:
        """Index of the layer to choose; the current one wins ties."""
        current = next((i for i, x in enumerate(self._layers) if x is self._current), -1)
        if current >= 0 and self._by_hand:
            return current
        ranks = {i: self._rank(layer) for i, layer in enumerate(self._layers)}
        ranked = {i: rank for i, rank in ranks.items() if rank is not None}
        return min(ranked, key=lambda i: (ranked[i], i != current), default=-1)

    def _refresh(self, event: Any = None) -> None:
        if not isalive(self):
            return
        listed = [x for x in reversed(self._layer_list) if self._offers(x)]
        self._layers = listed if self._none is None else [None, *listed]
        self._by_hand = self._by_hand and any(x is self._current for x in self._layers)
        blocked = self.blockSignals(True)
        self.clear()
        self.addItems([self._none if x is None else x.name for x in self._layers])
        self.setCurrentIndex(self._best())
        self.blockSignals(blocked)
        self._on_index(self.currentIndex())

    def _offers(self, layer: Any) -> bool:
        return isinstance(layer, self._kind) and not is_preview(layer) and self._only(layer)

    def _on_activated(self) -> None:
        self._by_hand = True

    def _on_index(self, index: int) -> None:
        layer = self._layers[index] if index >= 0 else None
        if layer is not self._current:
            self._current = layer
            self.layer_changed.emit()


def is_truth(layer: Any) -> bool:
    """Whether the layer's name says truth."""
    return "truth" in layer.name.lower()


def is_prediction(layer: Any) -> bool:
    """Whether a layer is a result by its metadata or its name."""
    kind = layer.metadata.get("segkit", {}).get("kind")
    return kind not in (None, "superpixels") or "prediction" in layer.name.lower()


def is_preview(layer: Any) -> bool:
    return layer.metadata.get("segkit", {}).get("kind") == "preview"


def is_superpixels(layer: Any) -> bool:
    """Whether a layer holds superpixels by its metadata or its name."""
    kind = layer.metadata.get("segkit", {}).get("kind")
    return kind == "superpixels" or (kind is None and "superpixel" in layer.name.lower())
