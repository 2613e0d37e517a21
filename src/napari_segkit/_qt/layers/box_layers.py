"""Boxes around objects, as a Shapes layer."""

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from .result_layers import identity
from .snapshots import placement
from .unwrap_proxy import unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segkit.instances.results import Objects

THIN = 400  # so many lines side by side would fill the image
TEXT = {"string": "{class} {score:.2f}", "size": 9, "anchor": "upper_left"}


def write_boxes(viewer: Any, layer: Any, objects: "Objects") -> Any:
    """Draw the boxes of objects, in the layer of the last such boxes or in a new one.

    Boxes that a person has changed, and a layer that was renamed, are left alone.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to draw.
    layer : napari.layers.Labels
        Shows the objects; the boxes stand in its place and have its features.
    objects : Objects
        What it shows. In a stack, a box is in the middle slice of its object. Areas without
        single objects get none.

    Returns
    -------
    napari.layers.Shapes
        Coloured by class; class and score stand in the boxes where there are several classes.
    """
    viewer = unwrapped(viewer)
    table = _features(layer, objects)
    single = table["kind"] != "stuff" if "kind" in table else table["index"] > 0
    corners = [c for c, is_single in zip(objects.outlines(), single, strict=True) if is_single]
    table = table[single].reset_index(drop=True)
    colors = {c.name: c.color for c in objects.classes}
    look: dict[str, Any] = {
        "edge_color": [colors[name] for name in table["class"]] or "white",
        "edge_width": max(1.0, max(layer.data.shape[-2:]) / THIN),
        "face_color": "transparent",
    }
    boxes = boxes_of(viewer, layer)
    if boxes is None:
        named = {"name": f"{layer.name} boxes", "ndim": layer.ndim, **placement(layer)}
        text = TEXT | {"visible": len(objects.classes) > 2}
        shapes = {"shape_type": "rectangle", "features": table, "text": text}
        boxes = viewer.add_shapes(corners, **named, **shapes, **look)
    else:
        boxes.data = []
        boxes.add_rectangles(corners, **look)
        boxes.features = table
    boxes.metadata["segkit"] = {
        "kind": "boxes",
        "source": str(layer.unique_id),
        "layer": identity(boxes),
        "fingerprint": _fingerprint(boxes.data),
    }
    return boxes


def boxes_of(viewer: Any, layer: Any) -> Any:
    """The boxes drawn for a layer that nobody has changed or renamed since; None without."""
    for boxes in reversed(unwrapped(viewer).layers):
        made = boxes.metadata.get("segkit", {})
        ours = (made.get("source"), made.get("kind")) == (str(layer.unique_id), "boxes")
        ours = ours and isinstance(boxes, Shapes) and made.get("layer") == identity(boxes)
        if ours and made["fingerprint"] == _fingerprint(boxes.data):
            return boxes
    return None


def _features(layer: Any, objects: "Objects") -> Any:
    """The layer's features, with what was measured, where they are still those of the objects."""
    shown = layer.features
    same = "class" in shown and list(shown.get("index", ())) == list(objects.table["index"])
    return shown if same else objects.table


def _fingerprint(corners: "Sequence[Any]") -> str:
    flat = np.concatenate([np.empty(0), *(np.ravel(c) for c in corners)])
    return f"{len(corners)} {zlib.crc32(flat.data):08x}"
