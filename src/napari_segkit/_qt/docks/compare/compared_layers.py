"""What was compared, on the canvas: the contours of each in its colour."""

from typing import TYPE_CHECKING, Any

from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QObject

from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.snapshots import Snapshot, placement
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit.images.layer_metadata import LayerMetadata

if TYPE_CHECKING:
    from napari.layers import Labels

COLORS = ("#ff7f0e", "#17becf", "#e377c2", "#bcbd22", "#2ca02c", "#9467bd", "#d62728", "#1f77b4")
CONTOUR = 2
ALL, NONE = "contours of all", "none"
TIP = (
    "<p>Contours on the canvas, each in its colour. The arrow keys go from one to the next in the "
    "same view.</p>"
)


class ComparedLayers(QObject):
    """Labels layers that are only looked at; they go when others are compared."""

    def __init__(self, registry: LayerRegistry, parent: QObject) -> None:
        super().__init__(parent)
        self.choice: Choice[str] = Choice([(ALL, ALL), (NONE, NONE)], tooltip=TIP)
        self._registry = registry
        self._layers: dict[str, Labels] = {}
        self.colors: dict[str, str] = {}  # of the contours of each
        self.choice.changed.connect(self._show_chosen)

    def clear(self) -> None:
        """Remove the layers of the last comparison."""
        viewer = self._registry.viewer
        for layer in self._layers.values():
            if viewer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
        self._layers.clear()
        self.colors = {}
        self._offer()

    def add(self, name: str, labels: Any, like: Snapshot) -> None:
        """Show the contours of labels in the place of a truth."""
        viewer = self._registry.viewer
        if viewer is None:
            return
        self.colors[name] = color = COLORS[len(self._layers) % len(COLORS)]
        active = viewer.layers.selection.active
        layer = viewer.add_labels(
            labels,
            name=f"{name} (compared)",
            colormap=DirectLabelColormap(color_dict={0: "transparent", None: color}),
            metadata=LayerMetadata("preview", like.unique_id).as_metadata(),
            **placement(like),
        )
        layer.contour, layer.opacity = CONTOUR, 1.0
        viewer.layers.selection.active = active
        self._layers[name] = layer
        self._offer()
        self._show_chosen()

    def _offer(self) -> None:
        names = [(name, name) for name in self._layers]
        self.choice.offer([(ALL, ALL), *names, (NONE, NONE)])

    def _show_chosen(self) -> None:
        for name, layer in self._layers.items():
            layer.visible = self.choice.value in (ALL, name)
