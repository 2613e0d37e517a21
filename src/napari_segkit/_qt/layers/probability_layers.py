"""Image layers that show class probabilities."""

from dataclasses import replace
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap

from napari_segkit.images.classes import ClassProbabilities
from napari_segkit.images.layer_metadata import LayerMetadata

from .snapshots import header_metadata, placement
from .unwrap_proxy import unwrapped

KIND = "probability"
EARLIER = "earlier"  # number of the group of layers that a later prediction has left


def show_probabilities(
    viewer: ViewerModel, layer: Labels, probabilities: ClassProbabilities
) -> list[Image]:
    """Add or update an Image layer per class, in its colour; return them in class order."""
    viewer = unwrapped(viewer)
    follow_prediction(viewer, layer, probabilities)
    layers = find_probability_layers(viewer, str(layer.unique_id))
    for position, c in enumerate(probabilities.classes):
        if c.value in layers:
            continue
        metadata = LayerMetadata(
            KIND, str(layer.unique_id), provenance=_details(probabilities)[c.value]
        )
        layers[c.value] = viewer.add_image(
            probabilities.maps[position],
            name=f"{layer.name}: {c.name}",
            colormap=Colormap(["#000000", c.color], name=f"to {c.color}"),
            contrast_limits=(0, 1),
            blending="additive",
            metadata=metadata.as_metadata() | header_metadata(layer),
            **placement(layer),
        )
    return [layers[c.value] for c in probabilities.classes]


def follow_prediction(
    viewer: ViewerModel, layer: Labels, probabilities: ClassProbabilities | None
) -> None:
    """Update the layers of a prediction that was made again.

    Those that have no new probabilities are named "earlier", and stay together.
    """
    shown, new = find_probability_layers(viewer, str(layer.unique_id)), _details(probabilities)
    if probabilities is None or any(
        new.get(value) != LayerMetadata.of(x).provenance for value, x in shown.items()
    ):
        _leave(viewer, str(layer.unique_id))
        return
    pixels = {value: probabilities.maps[i] for i, value in enumerate(new)}
    for value, image in shown.items():
        image.data = pixels[value]
        for name, transform in placement(layer).items():
            setattr(image, name, transform)


def find_probability_layers(
    viewer: ViewerModel, source: str, *, earlier: int | None = None
) -> dict[int, Image]:
    """Layers of the probabilities of the prediction with this ``unique_id``, by class value."""
    layers = {}
    for layer in unwrapped(viewer).layers:
        metadata = LayerMetadata.of(layer)
        group = metadata.kind, metadata.source, metadata.provenance.get(EARLIER)
        if group == (KIND, source, earlier):
            layers[metadata.provenance["value"]] = layer
    return dict(sorted(layers.items()))


def _leave(viewer: ViewerModel, source: str) -> None:
    """Leave the layers of a prediction as those of an earlier one."""
    number = 1
    while find_probability_layers(viewer, source, earlier=number):
        number += 1
    for image in find_probability_layers(viewer, source).values():
        record = LayerMetadata.of(image)
        replace(record, provenance={**record.provenance, EARLIER: number}).store(image)
        image.name = f"{image.name} (earlier)"


def _details(probabilities: ClassProbabilities | None) -> dict[int, dict[str, Any]]:
    """What the layers of probabilities record of their classes, by class value."""
    if probabilities is None:
        return {}
    axes = probabilities.axes
    return {
        c.value: {"value": c.value, "name": c.name, "color": c.color, "axes": axes}
        for c in probabilities.classes
    }
