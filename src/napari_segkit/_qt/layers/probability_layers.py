"""Image layers that show class probabilities."""

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap

from napari_segkit.images.classes import ClassProbabilities
from napari_segkit.images.layer_metadata import LayerMetadata

from .snapshots import header_metadata, placement
from .unwrap_proxy import unwrapped

KIND = "probability"


def show_probabilities(
    viewer: ViewerModel, layer: Labels, probabilities: ClassProbabilities
) -> list[Image]:
    """Add or update an Image layer per class, in its colour; return them in class order."""
    viewer, layers = unwrapped(viewer), find_probability_layers(viewer, str(layer.unique_id))
    for position, c in enumerate(probabilities.classes):
        pixels = probabilities.maps[position]
        if c.value in layers:
            layers[c.value].data = pixels
            continue
        details = {"value": c.value, "name": c.name, "color": c.color, "axes": probabilities.axes}
        metadata = LayerMetadata(KIND, str(layer.unique_id), provenance=details)
        layers[c.value] = viewer.add_image(
            pixels,
            name=f"{layer.name}: {c.name}",
            colormap=Colormap(["#000000", c.color], name=f"to {c.color}"),
            contrast_limits=(0, 1),
            blending="additive",
            metadata=metadata.as_metadata() | header_metadata(layer),
            **placement(layer),
        )
    return [layers[c.value] for c in probabilities.classes]


def find_probability_layers(viewer: ViewerModel, source: str) -> dict[int, Image]:
    """Layers of the probabilities of the prediction with this ``unique_id``, by class value."""
    layers = {}
    for layer in unwrapped(viewer).layers:
        metadata = LayerMetadata.of(layer)
        if (metadata.kind, metadata.source) == (KIND, source):
            layers[metadata.provenance["value"]] = layer
    return dict(sorted(layers.items()))
