"""The canvas is moved to a part of a layer."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from napari_segkit.images.regions import Box
from napari_segkit.images.types import AnyArray

SHARE = 3  # the canvas is so many times as long as what it is moved to
FAR, NEAR = 9, 1  # times; the zoom is kept between these


def show_box(viewer: ViewerModel, layer: Layer, box: Box) -> None:
    """Centre the canvas and the sliders on a box of a layer; zoom if it is too small or large."""
    show_slice(viewer, layer, box)
    first, last = _ends(layer, box)
    leading = viewer.dims.ndim - layer.ndim
    shown = [d - leading for d in viewer.dims.displayed if d >= leading]
    camera, canvas = viewer.scene.camera, min(viewer.canvas.viewbox_size(viewer.layers))
    camera.center = (*camera.center[: 3 - len(shown)], *((first + last) / 2)[shown])
    length = np.abs(last - first)[shown].max() * camera.zoom
    if length and not NEAR < canvas / length < FAR:
        camera.zoom *= canvas / length / SHARE


def show_slice(viewer: ViewerModel, layer: Layer, box: Box) -> None:
    """Move the sliders to the middle of a box of a layer."""
    centre = np.mean(_ends(layer, box), axis=0)
    leading = viewer.dims.ndim - layer.ndim
    for axis in (d for d in viewer.dims.not_displayed if d >= leading):
        viewer.dims.set_point(axis, centre[axis - leading])


def _ends(layer: Layer, box: Box) -> tuple[AnyArray, AnyArray]:
    """World coordinates of the first and the last pixel of a box."""
    first = np.asarray(layer.data_to_world([side.start for side in box]))
    return first, np.asarray(layer.data_to_world([side.stop - 1 for side in box]))
