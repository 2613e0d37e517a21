"""Image layer that shows the uncertainty of a prediction."""

from dataclasses import replace

from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_segkit.images.axes_image import as_image
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.regions import Box
from napari_segkit.images.types import Floats, LayerArray

from .box_labels import moved
from .probability_layers import EARLIER
from .snapshots import Snapshot, header_metadata, placement, without_channels

KIND = "uncertainty"
VIEW_OPACITY = 0.7


def show_uncertainty(viewer: ViewerModel, layer: Labels, uncertainty: LayerArray | None) -> None:
    """Add or update the uncertainty of a prediction; one without a new one is named "earlier"."""
    shown = _find(viewer, layer)
    if shown is None and uncertainty is not None:
        _add(viewer, layer, uncertainty)
    elif shown is not None and uncertainty is not None:
        shown.data = uncertainty
        for name, transform in placement(layer).items():
            setattr(shown, name, transform)
    elif shown is not None:
        record = LayerMetadata.of(shown)
        replace(record, provenance={**record.provenance, EARLIER: True}).store(shown)
        shown.name = f"{shown.name} (earlier)"


def show_uncertain_view(
    viewer: ViewerModel,
    source: Snapshot,
    axes: str | None,
    box: Box,
    uncertainty: Floats,
    labels: Labels | None,
) -> None:
    """Show the uncertainty of a box of an image, below the labels; the selection stays."""
    remove_uncertain_view(viewer)
    active = viewer.layers.selection.active
    transform = placement(source, without_channels(source, as_image(source, axes).axes))
    layer = viewer.add_image(
        uncertainty,
        name=f"{source.name}: uncertainty in view",
        colormap="inferno",
        contrast_limits=(0, 1),
        blending="additive",
        opacity=VIEW_OPACITY,
        metadata=LayerMetadata("preview", source.unique_id, (KIND,)).as_metadata(),
        **moved(transform, [side.start for side in box]),
    )
    if labels in viewer.layers:
        viewer.layers.move(viewer.layers.index(layer), viewer.layers.index(labels))
    viewer.layers.selection.active = active


def remove_uncertain_view(viewer: ViewerModel) -> None:
    """Remove what `show_uncertain_view` has shown."""
    for layer in [x for x in viewer.layers if _is_view(x)]:
        viewer.layers.remove(layer)


def has_uncertain_view(viewer: ViewerModel) -> bool:
    """Whether `show_uncertain_view` shows something."""
    return any(_is_view(x) for x in viewer.layers)


def _is_view(layer: Layer) -> bool:
    return LayerMetadata.of(layer).layer == (KIND,)


def _find(viewer: ViewerModel, layer: Labels) -> Image | None:
    records = [(x, LayerMetadata.of(x)) for x in viewer.layers]
    source = str(layer.unique_id)
    own = (x for x, r in records if (r.kind, r.source) == (KIND, source))
    return next((x for x in own if not LayerMetadata.of(x).provenance.get(EARLIER)), None)


def _add(viewer: ViewerModel, layer: Labels, uncertainty: LayerArray) -> None:
    """Add the layer; the one that is selected stays selected."""
    active = viewer.layers.selection.active
    viewer.add_image(
        uncertainty,
        name=f"{layer.name}: uncertainty",
        colormap="inferno",
        contrast_limits=(0, 1),
        blending="additive",
        metadata=LayerMetadata(KIND, str(layer.unique_id)).as_metadata() | header_metadata(layer),
        **placement(layer),
    )
    viewer.layers.selection.active = active
