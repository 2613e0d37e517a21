"""Combo box of the viewer's layers."""

from collections.abc import Callable

from napari.layers import Image, Labels, Layer, Shapes
from napari.viewer import Viewer

from napari_segkit._qt.layers.belonging import is_result
from napari_segkit._qt.layers.error_layers import CONTOURS, ERRORS
from napari_segkit._qt.layers.held_out_layers import HELD_OUT
from napari_segkit._qt.layers.prediction_look import IN_VIEW
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.layer_metadata import LayerMetadata

from .choice import Choice

KINDS: dict[str, tuple[type[Layer], ...]] = {
    "image": (Image,),
    "labels": (Labels,),
    "shapes": (Shapes,),
    "labels or image": (Labels, Image),
    "shapes or labels": (Shapes, Labels),
}
MIN_LETTERS = 11


class LayerChoice(Choice[Layer | None]):
    """Choose one of the viewer's layers of one kind, topmost first; follows the layer list.

    `none` is the text of an entry without a layer, which is then the default. `rank` gives the
    preference of a layer as default (lower is better, None for never); a layer chosen by a person
    or set as `value` stays chosen. `only` filters the layers; previews are never offered.
    """

    def __init__(
        self,
        viewer: Viewer,
        kind: str,
        *,
        none: str | None = None,
        rank: Callable[[Layer], int | None] = lambda layer: int(is_result(layer)),
        only: Callable[[Layer], bool] = lambda _: True,
        tooltip: str = "",
    ) -> None:
        self._layers = unwrapped(viewer).layers
        self._kind, self._none, self._rank, self._only = KINDS[kind], none, rank, only
        super().__init__(letters=MIN_LETTERS, tooltip=tooltip)
        self.native.setPlaceholderText("no layer" if len(KINDS[kind]) > 1 else f"no {kind} layer")
        events = self._layers.events
        for emitter in (events.inserted, events.removed, events.reordered, events.renamed):
            emitter.connect(self.reset_choices, position="first")  # then the docks

    def choose_default(self) -> None:
        """Choose the layer of best rank, unless a person has chosen one."""
        self.select(self.value)

    def offered(self) -> list[tuple[str, Layer | None]]:
        none = [] if self._none is None else [(self._none, None)]
        return [*none, *((x.name, x) for x in reversed(self._layers) if self._offers(x))]

    def select(self, before: Layer | None) -> None:
        self.by_hand = self.by_hand and before in self.choices
        index = self.choices.index(before) if self.by_hand else self._best(before)
        self.native.setCurrentIndex(index)

    def _best(self, current: Layer | None) -> int:
        """Index of the layer of best rank; the current one wins ties."""
        if self._none is not None:
            return 0
        layers = self.choices
        ranks = {i: rank for i, x in enumerate(layers) if (rank := self._rank(x)) is not None}
        return min(ranks, key=lambda i: (ranks[i], layers[i] is not current), default=-1)

    def _offers(self, layer: Layer) -> bool:
        return isinstance(layer, self._kind) and not is_preview(layer) and self._only(layer)


def is_truth(layer: Layer) -> bool:
    """Whether the layer's name says truth."""
    return "truth" in layer.name.lower()


def is_prediction(layer: Layer) -> bool:
    """Whether a layer is a result by its metadata or its name."""
    kind = LayerMetadata.of(layer).kind
    return kind not in ("", "superpixels") or "prediction" in layer.name.lower()


def is_preview(layer: Layer) -> bool:
    """Whether a layer is only to be looked at."""
    return LayerMetadata.of(layer).kind in ("preview", IN_VIEW, HELD_OUT, ERRORS, CONTOURS)


def is_superpixels(layer: Layer) -> bool:
    """Whether a layer holds superpixels by its metadata or its name."""
    kind = LayerMetadata.of(layer).kind
    return kind == "superpixels" or (not kind and "superpixel" in layer.name.lower())
