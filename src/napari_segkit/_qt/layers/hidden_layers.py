"""Layers that are hidden while something else shows them."""

from collections.abc import Collection

from napari.layers import Layer


class HiddenLayers:
    """Hides layers, and shows those again that were visible."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []  # that were visible

    def keep(self, layers: Collection[Layer]) -> None:
        """Hide these layers, and show those again that were hidden before and are none of them."""
        for layer in [x for x in self._layers if x not in layers]:
            layer.visible = True
            self._layers.remove(layer)
        for layer in [x for x in layers if x.visible and x not in self._layers]:
            layer.visible = False
            self._layers.append(layer)
