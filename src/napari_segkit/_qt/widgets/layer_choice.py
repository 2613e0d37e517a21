"""A combo box of the viewer's layers."""

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
    """Choose one of the viewer's layers of one kind; follows the layer list.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers to offer, the topmost first.
    kind : str
        "image", "labels", "shapes" or "labels or image".
    none : str, optional
        The words of an entry without a layer, the first one and the choice that nobody made.
        None: no such entry.
    rank : callable, optional
        How well a layer suits as the choice that nobody made: the lower the better, None for
        never. A layer that a person chose stays chosen. Where there is an entry without a layer,
        layers are never chosen by themselves.
    only : callable, optional
        Whether a layer is offered at all; previews never are.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    layer_changed : Signal()
        Another layer is chosen, or none any more.
    """

    layer_changed = Signal()

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
        """The chosen layer, or None."""
        return self._current

    def set_layer(self, layer: Any) -> None:
        """Choose a layer of the list, as a person does.

        Parameters
        ----------
        layer : napari.layers.Layer or None
            One of the viewer's layers, of this box's kind; None for the entry without a layer.

        Raises
        ------
        ValueError
            If the box does not list it.
        """
        self.suggest(layer)
        self._by_hand = True

    def suggest(self, layer: Any) -> None:
        """Choose a layer that gives way to one that suits better; ValueError as in `set_layer`."""
        layer = unwrapped(layer)
        found = [i for i, listed in enumerate(self._layers) if listed is layer]
        if not found:
            raise ValueError(f"{layer} is not among the viewer's {self._title} layers.")
        self._by_hand = False
        self.setCurrentIndex(found[0])

    def choose_default(self) -> None:
        """Choose what suits best, unless a person chose what is chosen now."""
        self.setCurrentIndex(self._best())

    def _best(self) -> int:
        """The place of the layer to choose: the one there is, or the first that suits better."""
        kept = next((i for i, x in enumerate(self._layers) if x is self._current), -1)
        if kept >= 0 and self._by_hand:
            return kept
        ranks = {i: self._rank(layer) for i, layer in enumerate(self._layers)}
        known = {i: rank for i, rank in ranks.items() if rank is not None}
        return min(known, key=lambda i: (known[i], i != kept), default=-1)

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
    """Whether a layer is called a truth."""
    return "truth" in layer.name.lower()


def is_prediction(layer: Any) -> bool:
    """Whether a layer is a result, or called a prediction, as it is before it is described."""
    made = layer.metadata.get("segkit", {}).get("kind")
    return made not in (None, "superpixels") or "prediction" in layer.name.lower()


def is_preview(layer: Any) -> bool:
    """Whether a layer shows what a result would be like, and goes with its dock."""
    return layer.metadata.get("segkit", {}).get("kind") == "preview"


def is_superpixels(layer: Any) -> bool:
    """Whether a layer holds superpixels, or is called so, as it is from a file: no classes."""
    made = layer.metadata.get("segkit", {}).get("kind")
    return made == "superpixels" or (made is None and "superpixel" in layer.name.lower())
