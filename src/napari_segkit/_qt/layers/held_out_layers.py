"""Hatched layers that show which regions of an image a training holds out."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_segkit.images.layer_metadata import LayerMetadata

from .add_layer import add_unselected
from .snapshots import Snapshot, header_metadata, placement, without_channels

HELD_OUT = "held out"
COLORS: dict[int | None, str] = {0: "transparent", None: "#ffffff"}
OPACITY = 0.5
LINES = 60  # of the hatching, along the longer side of an image
MIN_PERIOD = 6  # pixels
LINE = 3  # a line is so many times narrower than its period


def hatched(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Slanting lines where a mask is true; slow for large masks."""
    height, width = mask.shape[-2:]
    period = max(MIN_PERIOD, max(height, width) // LINES)
    y, x = np.ogrid[:height, :width]
    lines: NDArray[np.bool_] = (y + x) % period < period // LINE
    return (mask & lines).view(np.uint8)


def show_held_out(
    viewer: ViewerModel, image: Snapshot, axes: str, lines: NDArray[np.uint8]
) -> Labels:
    """Add hatching of `hatched` to an image; the selected layers stay selected."""
    layer = Labels(
        lines,
        name=f"{image.name} {HELD_OUT}",
        metadata=LayerMetadata(HELD_OUT, image.unique_id).as_metadata() | header_metadata(image),
        colormap=DirectLabelColormap(color_dict=COLORS),
        opacity=OPACITY,
        **placement(image, without_channels(image, axes)),
    )
    layer.editable = False
    add_unselected(viewer, layer)
    return layer


def remove_held_out(viewer: ViewerModel) -> None:
    """Remove the hatching of the training before."""
    for layer in [x for x in viewer.layers if LayerMetadata.of(x).kind == HELD_OUT]:
        viewer.layers.remove(layer)
