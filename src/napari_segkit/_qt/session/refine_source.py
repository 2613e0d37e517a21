"""What is refined: probabilities that are known, objects, or plain labels taken for likely."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_segkit._qt.layers.layer_registry import LayerProbabilities, LayerRegistry
from napari_segkit._qt.layers.probability_layers import KIND, stack_of
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.classes import LabelClass, default_color

if TYPE_CHECKING:
    from napari_segkit.instances.results import Objects


MOST = 255  # an image with a longer first dimension is none of classes
STARTS = {
    "objects": "its objects, one by one",
    "probabilities": "its probabilities",
    "labels": "the labels",
}


@dataclass(frozen=True)
class SoftLabelOptions:
    """How plain labels become probabilities.

    Parameters
    ----------
    certainty : float
        The probability of the class that a pixel is labelled with.
    unlabelled : int or None
        The value of pixels of which nothing is known.
    """

    certainty: float = 0.8
    unlabelled: int | None = None


@dataclass(frozen=True)
class RefineSource:
    """What is refined.

    Parameters
    ----------
    layer : layer or Snapshot
        What was chosen.
    start : str
        One of `STARTS`.
    known : LayerProbabilities or None
        Its probabilities, where it starts from them.
    objects : Objects or None
        Its objects, where it starts from them.
    certainty : SoftLabelOptions
        Counts where it starts from labels.
    classes : tuple of LabelClass
        Of labels, those that the layer is said to have; `with_classes` adds what is painted.
    """

    layer: Any
    start: str
    known: LayerProbabilities | None = None
    objects: "Objects | None" = None
    certainty: SoftLabelOptions = SoftLabelOptions()
    classes: tuple[LabelClass, ...] = ()

    def frozen(self, *, copied: bool = True) -> "RefineSource":
        """The same for the background; not copied, what is painted meanwhile is seen there."""
        needed = self.start == "labels"
        layer = snapshot(self.layer, pixels=needed and copied)
        if needed and not copied:
            layer = replace(layer, data=self.layer.data)
        return replace(self, layer=layer)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the labels."""
        if self.objects is not None:
            return tuple(self.objects.labels.shape)
        if self.known is not None:
            return tuple(self.known.maps.shape[1:])
        return tuple(full_resolution(self.layer).shape)

    def with_classes(self) -> "RefineSource":
        """The same with all classes that are painted; slow for large labels.

        Raises
        ------
        ValueError
            If there are fewer than two, or so many that they are numbers of objects.
        """
        if self.start != "labels":
            return self
        from napari_segkit.refinement.soft_labels import all_classes

        unlabelled = self.certainty.unlabelled
        complete = replace(
            self, classes=all_classes(self.layer, self.classes, unlabelled=unlabelled)
        )
        complete.probabilities()  # refuses what cannot be
        return complete

    @property
    def values(self) -> tuple[int, ...]:
        """The label value of each class."""
        return tuple(c.value for c in self.classes)

    def probabilities(self) -> Any:
        """``(classes, *spatial)``, read block by block."""
        if self.known is not None:
            return self.known.maps
        from napari_segkit.refinement.soft_labels import SoftLabels

        return SoftLabels(self.layer, self.values, **asdict(self.certainty))


def is_offered(layer: Any) -> bool:
    """Whether a layer can be refined: labels, or a float image of ``(classes, ...)``."""
    if isinstance(layer, Labels):
        return True
    if not isinstance(layer, Image) or layer.rgb:
        return False
    data = full_resolution(layer)
    stacked = data.ndim > 2 and 2 <= data.shape[0] <= MOST
    shown = layer.metadata.get("segkit", {}).get("kind") == KIND
    return np.issubdtype(data.dtype, np.floating) and (shown or stacked)


def refine_starts(registry: LayerRegistry, layer: Any) -> tuple[str, ...]:
    """What a layer can be refined from, the best first."""
    if not isinstance(unwrapped(layer), Labels):
        return ("probabilities",)
    known = {
        "objects": _soft_masks(registry.objects_of(layer)),
        "probabilities": registry.probabilities_of(layer),
        "labels": layer,
    }
    return tuple(start for start, there in known.items() if there is not None)


def refine_source(
    registry: LayerRegistry,
    layer: Any,
    start: str | None = None,
    certainty: SoftLabelOptions | None = None,
) -> RefineSource:
    """What a layer is refined from.

    Parameters
    ----------
    registry : LayerRegistry
        Where objects and probabilities are kept.
    layer : napari.layers.Labels or napari.layers.Image
        What was chosen.
    start : str, optional
        One of `STARTS` that the layer has. None: the best.
    certainty : SoftLabelOptions, optional
        How plain labels become probabilities.

    Raises
    ------
    ValueError
        If the layer has nothing of that kind.
    """
    layer, has = unwrapped(layer), refine_starts(registry, layer)
    start = start or has[0]
    if start not in has:
        raise ValueError(
            f"{layer.name} cannot be refined from {start!r}; it has {', '.join(map(repr, has))}."
        )
    if start == "objects":
        objects: Any = registry.objects_of(layer)
        return RefineSource(layer, start, objects=objects, classes=objects.classes)
    if start == "labels":
        certainty = certainty or SoftLabelOptions()
        return RefineSource(layer, start, certainty=certainty, classes=_said(layer, certainty))
    known = registry.probabilities_of(layer) or maps_in(registry.viewer, layer)
    return RefineSource(layer, start, known=known, classes=known.classes)


def maps_in(viewer: Any, layer: Any) -> LayerProbabilities:
    """The probabilities that an Image layer shows, or all layers of those it is one of.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are looked at.
    layer : napari.layers.Image
        ``(classes, ...)``, or one of the layers that `refine_maps.show_maps` made.
    """
    made = layer.metadata.get("segkit", {})
    if made.get("kind") != KIND:
        data = full_resolution(layer)
        classes = [LabelClass(i, f"class {i}", default_color(i)) for i in range(len(data))]
        return LayerProbabilities(data, tuple(classes), "")
    from dask import array

    shown = stack_of(viewer, made["source"]).values()
    told = [x.metadata["segkit"] for x in shown]
    each = [array.from_array(full_resolution(x), chunks=-1, name=False) for x in shown]
    classes = [LabelClass(t["value"], t["name"], t["color"]) for t in told]
    return LayerProbabilities(array.stack(each), tuple(classes), made["axes"])


def _soft_masks(objects: Any) -> Any:
    """Objects that have soft masks; others are refined by their classes or labels."""
    return objects if hasattr(getattr(objects, "candidates", None), "frames") else None


def _said(layer: Any, certainty: SoftLabelOptions) -> tuple[LabelClass, ...]:
    """The classes that a result of ours says it has."""
    made = layer.metadata.get("segkit", {})
    classes = (LabelClass(*c) for c in made.get("classes", ()))
    return tuple(c for c in classes if c.value != certainty.unlabelled)
