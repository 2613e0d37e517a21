"""Inputs of a refinement: stored probabilities, object masks, or labels."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_segkit._qt.layers.layer_registry import LayerProbabilities, LayerRegistry
from napari_segkit._qt.layers.probability_layers import KIND, find_probability_layers
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, default_color

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects


MAX_CLASSES = 255
STARTS = {
    "objects": "Object masks, one by one",
    "probabilities": "Stored probabilities",
    "labels": "Labels",
}


@dataclass(frozen=True)
class SoftLabelOptions:
    """How labels become probabilities."""

    certainty: float = 0.8  # probability that a label is correct
    unlabelled: int | None = None  # value without information


@dataclass(frozen=True)
class RefineSource:
    """A layer and the input (`start`) its refinement uses."""

    layer: Any
    start: str  # one of `STARTS`
    stored: LayerProbabilities | None = None  # for "probabilities"
    objects: "Objects | None" = None  # for "objects"
    soft_labels: SoftLabelOptions = SoftLabelOptions()  # for "labels"
    classes: tuple[LabelClass, ...] = ()  # of labels: complete after `with_classes`

    def frozen(self, *, copied: bool = True) -> "RefineSource":
        """Copy for a worker thread; with `copied=False`, later painting is visible there."""
        uses_labels = self.start == "labels"
        layer = snapshot(self.layer, pixels=uses_labels and copied)
        if uses_labels and not copied:
            layer = replace(layer, data=self.layer.data)
        return replace(self, layer=layer)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels."""
        if self.objects is not None:
            return tuple(self.objects.labels.shape)
        if self.stored is not None:
            return tuple(self.stored.maps.shape[1:])
        return tuple(full_resolution(self.layer).shape)

    def with_classes(self) -> "RefineSource":
        """Add all painted classes (slow); ValueError if they are fewer than two or too many."""
        if self.start != "labels":
            return self
        from napari_segkit.refinement.soft_labels import all_classes

        unlabelled = self.soft_labels.unlabelled
        complete = replace(
            self, classes=all_classes(self.layer, self.classes, unlabelled=unlabelled)
        )
        complete.probabilities()  # validates the classes
        return complete

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each class."""
        return tuple(c.value for c in self.classes)

    def probabilities(self) -> Any:
        """Array-like ``(classes, *spatial)``, read block by block."""
        if self.stored is not None:
            return self.stored.maps
        from napari_segkit.refinement.soft_labels import SoftLabels

        return SoftLabels(self.layer, self.values, **asdict(self.soft_labels))


def can_refine(layer: Any) -> bool:
    """Whether a layer can be refined: labels, or a float image of ``(classes, ...)``."""
    if isinstance(layer, Labels):
        return True
    if not isinstance(layer, Image) or layer.rgb:
        return False
    data = full_resolution(layer)
    stacked = data.ndim > 2 and 2 <= data.shape[0] <= MAX_CLASSES
    is_map = layer.metadata.get("segkit", {}).get("kind") == KIND
    return np.issubdtype(data.dtype, np.floating) and (is_map or stacked)


def refine_starts(registry: LayerRegistry, layer: Any) -> tuple[str, ...]:
    """Available inputs of a layer's refinement, the best first."""
    if not isinstance(unwrapped(layer), Labels):
        return ("probabilities",)
    inputs = {
        "objects": _soft_masks(registry.objects_of(layer)),
        "probabilities": registry.probabilities_of(layer),
        "labels": layer,
    }
    return tuple(start for start, data in inputs.items() if data is not None)


def refine_source(
    registry: LayerRegistry,
    layer: Any,
    start: str | None = None,
    soft_labels: SoftLabelOptions | None = None,
) -> RefineSource:
    """Input of a layer's refinement (`start`, or the best one); ValueError if not available."""
    layer, available = unwrapped(layer), refine_starts(registry, layer)
    start = start or available[0]
    if start not in available:
        choices = " or ".join(map(repr, available))
        raise ValueError(f"{layer.name} cannot be refined from {start!r}: choose {choices}.")
    if start == "objects":
        objects: Any = registry.objects_of(layer)
        return RefineSource(layer, start, objects=objects, classes=objects.classes)
    if start == "labels":
        soft_labels = soft_labels or SoftLabelOptions()
        classes = _metadata_classes(layer, soft_labels.unlabelled)
        return RefineSource(layer, start, soft_labels=soft_labels, classes=classes)
    stored = registry.probabilities_of(layer) or find_probabilities(registry.viewer, layer)
    return RefineSource(layer, start, stored=stored, classes=stored.classes)


def find_probabilities(viewer: Any, layer: Any) -> LayerProbabilities:
    """Probabilities of an Image layer ``(classes, ...)``, or of all layers of its stack."""
    metadata = layer.metadata.get("segkit", {})
    if metadata.get("kind") != KIND:
        data = full_resolution(layer)
        classes = [LabelClass(i, f"class {i}", default_color(i)) for i in range(data.shape[0])]
        return LayerProbabilities(data, tuple(classes), "")
    from dask import array

    layers = find_probability_layers(viewer, metadata["source"]).values()
    class_metadata = [x.metadata["segkit"] for x in layers]
    maps = [array.from_array(full_resolution(x), chunks=-1, name=False) for x in layers]
    classes = [LabelClass(m["value"], m["name"], m["color"]) for m in class_metadata]
    return LayerProbabilities(array.stack(maps), tuple(classes), metadata["axes"])


def _soft_masks(objects: Any) -> Any:
    """Objects with soft masks; None for others, which are refined by classes or labels."""
    return objects if hasattr(getattr(objects, "candidates", None), "frames") else None


def _metadata_classes(layer: Any, unlabelled: int | None) -> tuple[LabelClass, ...]:
    """Classes in the metadata of a result layer."""
    metadata = layer.metadata.get("segkit", {})
    classes = (LabelClass(*c) for c in metadata.get("classes", ()))
    return tuple(c for c in classes if c.value != unlabelled)
