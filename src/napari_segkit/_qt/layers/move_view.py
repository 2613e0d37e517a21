"""The canvas is moved to a part of a layer."""

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer

from napari_segkit.images.regions import Box

SHARE = 3  # the canvas is so many times as long as what it is moved to
FAR, NEAR = 9, 1  # times; the zoom is kept between these


def show_box(viewer: ViewerModel, layer: Layer, box: Box) -> None:
    """Centre the canvas and the sliders on a box of a layer; zoom if it is too small or large."""
    first = np.asarray(layer.data_to_world([side.start for side in box]))
    last = np.asarray(layer.data_to_world([side.stop - 1 for side in box]))
    centre, leading = (first + last) / 2, viewer.dims.ndim - layer.ndim
    for axis in (d for d in viewer.dims.not_displayed if d >= leading):
        viewer.dims.set_point(axis, centre[axis - leading])
    shown = [d - leading for d in viewer.dims.displayed if d >= leading]
    camera, canvas = viewer.scene.camera, min(viewer.canvas.viewbox_size(viewer.layers))
    camera.center = (*camera.center[: 3 - len(shown)], *centre[shown])
    length = np.abs(last - first)[shown].max() * camera.zoom
    if length and not NEAR < canvas / length < FAR:
        camera.zoom *= canvas / length / SHARE
