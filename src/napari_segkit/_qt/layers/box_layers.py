"""Bounding boxes of objects as a Shapes layer."""

import zlib
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from pandas import DataFrame

from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import AnyArray
from napari_segkit.instances.results import Objects

from .result_layers import layer_identity
from .snapshots import header_metadata, placement
from .unwrap_proxy import unwrapped

LINES_PER_IMAGE = 400  # line width as a fraction of the image
TEXT = {"string": "{class} {score:.2f}", "size": 9, "anchor": "upper_left"}


class BoxStyle(TypedDict):
    """How boxes are drawn."""

    edge_color: list[str] | str
    edge_width: float
    face_color: str


def write_boxes(viewer: ViewerModel, layer: Labels, objects: Objects) -> Shapes:
    """Draw the boxes of objects, coloured by class, in the last unchanged boxes layer or a new one.

    Boxes that were edited and layers that were renamed are left alone. In a stack, a box is in
    the middle slice of its object. Stuff areas get no box.
    """
    viewer = unwrapped(viewer)
    table = _features(layer, objects)
    single = table["kind"] != "stuff" if "kind" in table else table["index"] > 0
    corners = [c for c, is_single in zip(objects.outlines(), single, strict=True) if is_single]
    table = table[single].reset_index(drop=True)
    colors = {c.name: c.color for c in objects.classes}
    style: BoxStyle = {
        "edge_color": [colors[name] for name in table["class"]] or "white",
        "edge_width": max(1.0, max(layer.data.shape[-2:]) / LINES_PER_IMAGE),
        "face_color": "transparent",
    }
    boxes = find_boxes(viewer, layer)
    if boxes is None:
        boxes = viewer.add_shapes(
            corners,
            name=f"{layer.name} boxes",
            ndim=layer.ndim,
            shape_type="rectangle",
            features=table,
            text=TEXT | {"visible": len(objects.classes) > 2},
            metadata=header_metadata(layer),
            **placement(layer),
            **style,
        )
    else:
        boxes.data = []
        boxes.add_rectangles(corners, **style)
        boxes.features = table
    source, identity = str(layer.unique_id), layer_identity(boxes)
    LayerMetadata("boxes", source, identity, (), _fingerprint(boxes.data)).store(boxes)
    return boxes


def find_boxes(viewer: ViewerModel, layer: Labels) -> Shapes | None:
    """The boxes drawn for a layer, unless they were edited or renamed since; else None."""
    for boxes in reversed(unwrapped(viewer).layers):
        metadata = LayerMetadata.of(boxes)
        matches = (metadata.source, metadata.kind) == (str(layer.unique_id), "boxes")
        matches = matches and isinstance(boxes, Shapes)
        matches = matches and metadata.layer == layer_identity(boxes)
        if matches and metadata.fingerprint == _fingerprint(boxes.data):
            return boxes
    return None


def _features(layer: Labels, objects: Objects) -> DataFrame:
    """The layer's features, with measurements, if they are still those of the objects."""
    features = layer.features
    ids = list(features.get("index", ()))
    same = "class" in features and ids == list(objects.table["index"])
    return features if same else objects.table


def _fingerprint(corners: Sequence[AnyArray]) -> str:
    flat = np.concatenate([np.empty(0), *(np.ravel(c) for c in corners)])
    return f"{len(corners)} {zlib.crc32(flat.data):08x}"
