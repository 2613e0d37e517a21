"""Image layers that show the probabilities of classes."""

from typing import Any

from napari.utils.colormaps import Colormap

from .layer_registry import LayerProbabilities
from .snapshots import placement
from .unwrap_proxy import unwrapped

KIND = "probability"


def show_maps(viewer: Any, layer: Any, kept: LayerProbabilities) -> list[Any]:
    """Show the probabilities behind a layer, each class in an Image layer of its colour.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show them.
    layer : napari.layers.Labels
        The prediction.
    kept : LayerProbabilities
        Its probabilities.

    Returns
    -------
    list of napari.layers.Image
        In the order of the classes; those that show the same already are updated.
    """
    viewer, shown = unwrapped(viewer), stack_of(viewer, str(layer.unique_id))
    for known, pixels in zip(kept.classes, kept.maps, strict=True):
        if known.value in shown:
            shown[known.value].data = pixels
            continue
        made = {"kind": KIND, "source": str(layer.unique_id), "value": known.value}
        made |= {"name": known.name, "color": known.color, "axes": kept.axes}
        shown[known.value] = viewer.add_image(
            pixels,
            name=f"{layer.name}: {known.name}",
            colormap=Colormap(["#000000", known.color], name=f"to {known.color}"),
            contrast_limits=(0, 1),
            blending="additive",
            metadata={"segkit": made},
            **placement(layer),
        )
    return [shown[known.value] for known in kept.classes]


def stack_of(viewer: Any, source: str) -> dict[int, Any]:
    """The layers that show the probabilities behind a layer, by the value of their class.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they are.
    source : str
        The ``unique_id`` of the prediction.
    """
    found = {}
    for layer in unwrapped(viewer).layers:
        made = layer.metadata.get("segkit", {})
        if (made.get("kind"), made.get("source")) == (KIND, source):
            found[made["value"]] = layer
    return dict(sorted(found.items()))
