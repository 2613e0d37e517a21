"""Image layer that shows the uncertainty of a prediction."""

from dataclasses import replace

from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import Floats

from .probability_layers import EARLIER
from .snapshots import header_metadata, placement

KIND = "uncertainty"


def show_uncertainty(viewer: ViewerModel, layer: Labels, uncertainty: Floats | None) -> None:
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


def _find(viewer: ViewerModel, layer: Labels) -> Image | None:
    records = [(x, LayerMetadata.of(x)) for x in viewer.layers]
    source = str(layer.unique_id)
    own = (x for x, r in records if (r.kind, r.source) == (KIND, source))
    return next((x for x in own if not LayerMetadata.of(x).provenance.get(EARLIER)), None)


def _add(viewer: ViewerModel, layer: Labels, uncertainty: Floats) -> None:
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
