"""What the layers of a viewer can be refined from."""

from dataclasses import replace

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_segkit.config import SoftLabelConfig
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import ClassProbabilities, LabelClass, default_color
from napari_segkit.images.geometry import geometry_of
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.jobs.refine import RefineSource

from .layer_registry import LayerRegistry
from .probability_layers import EARLIER, KIND, find_probability_layers
from .snapshots import snapshot
from .unwrap_proxy import unwrapped

MAX_CLASSES = 255
STARTS = {
    "objects": "Object masks, one by one",
    "probabilities": "Stored probabilities",
    "labels": "Labels",
}


def can_refine(layer: Layer) -> bool:
    """Whether a layer can be refined: labels, or a float image of ``(classes, ...)``."""
    if isinstance(layer, Labels):
        return True
    if not isinstance(layer, Image) or layer.rgb:
        return False
    data = full_resolution(layer)
    stacked = data.ndim > 2 and 2 <= data.shape[0] <= MAX_CLASSES
    is_map = LayerMetadata.of(layer).kind == KIND
    return np.issubdtype(data.dtype, np.floating) and (is_map or stacked)


def refine_starts(registry: LayerRegistry, layer: Layer) -> tuple[str, ...]:
    """Available inputs of a layer's refinement, the best first."""
    if not isinstance(unwrapped(layer), Labels):
        return ("probabilities",)
    objects, stored = registry.objects_of(layer), registry.probabilities_of(layer)
    has_masks = objects is not None and hasattr(objects.candidates, "frames")
    available = {"objects": has_masks, "probabilities": stored is not None, "labels": True}
    return tuple(start for start, is_available in available.items() if is_available)


def refine_source(
    registry: LayerRegistry,
    layer: Layer,
    start: str | None = None,
    soft_labels: SoftLabelConfig | None = None,
    *,
    copied: bool = False,
) -> RefineSource:
    """Input of a layer's refinement (`start`, or the best one); ValueError if not available.

    Labels are those of the layer, later painting included, unless they are `copied`.
    """
    layer, available = unwrapped(layer), refine_starts(registry, layer)
    start = start or available[0]
    if start not in available:
        choices = " or ".join(map(repr, available))
        raise ValueError(f"{layer.name} cannot be refined from {start!r}: choose {choices}.")
    metadata = LayerMetadata.of(layer)
    source = RefineSource(layer.name, provenance=metadata.provenance)
    if start == "labels":
        options = soft_labels or SoftLabelConfig()
        labels = snapshot(layer, pixels=copied)
        labels = labels if copied else replace(labels, data=layer.data)
        classes = tuple(c for c in metadata.classes if c.value != options.unlabelled)
        source = replace(source, labels=labels, soft_labels=options, classes=classes)
    elif start == "objects" and (objects := registry.objects_of(layer)) is not None:
        source = replace(source, objects=objects, classes=objects.classes)
    else:
        stored = registry.probabilities_of(layer) or find_probabilities(registry.viewer, layer)
        source = replace(source, stored=stored, classes=stored.classes)
    ndim = len(source.shape)
    axes = "C" + "TZYX"[-ndim:] if layer.ndim > ndim else None
    return replace(source, scale=tuple(layer.scale[-ndim:]), geometry=geometry_of(layer, axes))


def find_probabilities(viewer: ViewerModel, layer: Image) -> ClassProbabilities:
    """Probabilities of an Image layer ``(classes, ...)``, or of all layers of its stack."""
    metadata = LayerMetadata.of(layer)
    if metadata.kind != KIND:
        data = full_resolution(layer)
        classes = [LabelClass(i, f"class {i}", default_color(i)) for i in range(data.shape[0])]
        return ClassProbabilities(data, tuple(classes), "")
    from dask import array

    earlier = metadata.provenance.get(EARLIER)
    layers = find_probability_layers(viewer, metadata.source, earlier=earlier).values()
    details = [LayerMetadata.of(x).provenance for x in layers]
    maps = [array.from_array(full_resolution(x), chunks=-1, name=False) for x in layers]
    named = tuple(LabelClass(d["value"], d["name"], d["color"]) for d in details)
    return ClassProbabilities(array.stack(maps), named, details[0]["axes"])
