"""What of an image the canvas shows: the slice, and the visible rectangle."""

from collections.abc import Sequence
from math import ceil, floor
from typing import TypeAlias

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.levels import finest_to_level

from .canvas_coordinates import canvas_to_data
from .snapshots import without_channels
from .unwrap_proxy import unwrapped

Index: TypeAlias = dict[str, int | slice]  # by the axes of an image's labels; all of others


def slice_in_view(viewer: ViewerModel, layer: Layer, image: AxesImage, ndim: int) -> Index:
    """The frame (a plane, or a volume with `ndim` 3) of a layer at the viewer's sliders.

    ValueError if they stand beside the layer.
    """
    positions = zip(image.label_axes, data_point(viewer, layer, image), strict=True)
    return {a: _index(x, image, a) for a, x in positions if a not in SPATIAL[-ndim:]}


def view_region(viewer: ViewerModel, layer: Layer, image: AxesImage) -> Index:
    """What of a layer the canvas shows; in 3D all that is displayed. ValueError if it is nothing.

    Along displayed axes it is the bounding box of the canvas in pixels of the layer, along the
    others the position of the slider.
    """
    layer = unwrapped(layer)
    shown = displayed_axes(viewer, layer, image)
    positions = zip(image.label_axes, data_point(viewer, layer, image), strict=True)
    index: Index = {a: _index(x, image, a) for a, x in positions if a not in shown}
    if len(viewer.dims.displayed) == 2:
        bounds = finest_to_level(_canvas_bounds(viewer, layer), layer, image.level)[
            :, without_channels(layer, image.axes)
        ]
        spans = zip(image.label_axes, *bounds, strict=True)
        index |= {a: _span(low, high, image, a) for a, low, high in spans if a in shown}
    return index


def displayed_axes(viewer: ViewerModel, layer: Layer, image: AxesImage) -> str:
    """Which axes of an image's labels are displayed; ValueError if its channels are."""
    leading = viewer.dims.ndim - layer.ndim
    axes = [image.axes[d - leading] for d in viewer.dims.displayed if d >= leading]
    if "C" in axes:
        raise ValueError(
            f"The channels of {image.name} are displayed as an axis: choose another order of the "
            "axes below the canvas, or predict the whole layer."
        )
    return "".join(axes)


def data_point(viewer: ViewerModel, layer: Layer, image: AxesImage) -> NDArray[np.float64]:
    """The position of the sliders, in pixels of an image's labels."""
    layer = unwrapped(layer)
    point = canvas_to_data(layer, viewer.dims.point, viewer.dims.displayed)
    point = finest_to_level(point, layer, image.level)
    return point[without_channels(layer, image.axes)]


def shown_slice(viewer: ViewerModel, layer: Layer) -> tuple[int | slice, ...]:
    """The slice of a layer that the canvas shows; ValueError if the sliders stand beside it."""
    first = viewer.dims.ndim - layer.ndim
    point = canvas_to_data(layer, viewer.dims.point, viewer.dims.displayed)
    hidden = {
        d - first: floor(point[d - first] + 0.5) for d in viewer.dims.not_displayed if d >= first
    }
    if any(not 0 <= at < layer.data.shape[d] for d, at in hidden.items()):
        raise ValueError(f"{layer.name} has no slice at the sliders: move them to one.")
    return tuple([hidden.get(d, slice(None)) for d in range(layer.ndim)])


def canvas_corners(
    center: Sequence[float], zoom: float, size: Sequence[float]
) -> list[tuple[float, float]]:
    """World coordinates, along the two displayed axes, of the corners of a canvas.

    `zoom` is the number of canvas pixels for each world unit, `size` height and width.
    """
    halves = [length / zoom / 2 for length in size]
    rows, columns = [(at - half, at + half) for at, half in zip(center, halves, strict=True)]
    return [(row, column) for row in rows for column in columns]


def _canvas_bounds(viewer: ViewerModel, layer: Layer) -> NDArray[np.float64]:
    """First and last pixel of the canvas' bounding box, along all dimensions of a layer."""
    displayed = viewer.dims.displayed
    camera, size = viewer.scene.camera, viewer.canvas.viewbox_size(viewer.layers)
    position, corners = np.array(viewer.dims.point, float), []
    for corner in canvas_corners(camera.center[-2:], camera.zoom, size):
        position[list(displayed)] = corner
        corners.append(canvas_to_data(layer, position.tolist(), displayed))
    return np.stack([np.min(corners, axis=0), np.max(corners, axis=0)])


def _span(low: float, high: float, image: AxesImage, axis: str) -> slice:
    """The pixels, centred at integers, that a range of coordinates touches."""
    start, stop = max(0, floor(low + 0.5)), min(image.length(axis), ceil(high + 0.5))
    if start >= stop:
        raise ValueError(f"{image.name} is not in view: move or zoom the canvas to it.")
    return slice(start, stop)


def _index(position: float, image: AxesImage, axis: str) -> int:
    index = floor(position + 0.5)
    if not 0 <= index < image.length(axis):
        raise ValueError(
            f"{image.name} has no slice at the slider of {axis}: move it to one of its slices."
        )
    return index
