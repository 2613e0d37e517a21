"""What is refined: probabilities that are known, objects, or plain labels taken for likely."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_segkit.data.classes import LabelClass, default_color
from napari_segkit.data.images import full_resolution

from .known import ClassMaps
from .proxies import unwrapped
from .refine_maps import KIND, stack_of
from .snapshots import snapshot

if TYPE_CHECKING:
    from napari_segkit.objects.record import Objects

    from .session import Session

MOST = 255  # an image with a longer first dimension is none of classes
STARTS = {
    "objects": "its objects, one by one",
    "probabilities": "its probabilities",
    "labels": "the labels",
}


@dataclass(frozen=True)
class Certainty:
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
class Source:
    """What is refined.

    Parameters
    ----------
    layer : layer or Snapshot
        What was chosen.
    start : str
        One of `STARTS`.
    known : ClassMaps or None
        Its probabilities, where it starts from them.
    objects : Objects or None
        Its objects, where it starts from them.
    certainty : Certainty
        Counts where it starts from labels.
    classes : tuple of LabelClass
        Of labels, those that the layer is said to have; `with_classes` adds what is painted.
    """

    layer: Any
    start: str
    known: ClassMaps | None = None
    objects: "Objects | None" = None
    certainty: Certainty = Certainty()
    classes: tuple[LabelClass, ...] = ()

    def frozen(self, *, copied: bool = True) -> "Source":
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

    def with_classes(self) -> "Source":
        """The same with all classes that are painted; slow for large labels.

        Raises
        ------
        ValueError
            If there are fewer than two, or so many that they are numbers of objects.
        """
        if self.start != "labels":
            return self
        from napari_segkit.refinement.soft import all_classes

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
        from napari_segkit.refinement.soft import SoftLabels

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


def starts_of(session: "Session", layer: Any) -> tuple[str, ...]:
    """What a layer can be refined from, the best first."""
    if not isinstance(unwrapped(layer), Labels):
        return ("probabilities",)
    known = {
        "objects": _soft_masks(session.objects_of(layer)),
        "probabilities": session.probabilities_of(layer),
        "labels": layer,
    }
    return tuple(start for start, there in known.items() if there is not None)


def source_of(
    session: "Session", layer: Any, start: str | None = None, certainty: Certainty | None = None
) -> Source:
    """What a layer is refined from.

    Parameters
    ----------
    session : Session
        Where objects and probabilities are kept.
    layer : napari.layers.Labels or napari.layers.Image
        What was chosen.
    start : str, optional
        One of `STARTS` that the layer has. None: the best.
    certainty : Certainty, optional
        How plain labels become probabilities.

    Raises
    ------
    ValueError
        If the layer has nothing of that kind.
    """
    layer, has = unwrapped(layer), starts_of(session, layer)
    start = start or has[0]
    if start not in has:
        raise ValueError(
            f"{layer.name} cannot be refined from {start!r}; it has {', '.join(map(repr, has))}."
        )
    if start == "objects":
        objects: Any = session.objects_of(layer)
        return Source(layer, start, objects=objects, classes=objects.classes)
    if start == "labels":
        certainty = certainty or Certainty()
        return Source(layer, start, certainty=certainty, classes=_said(layer, certainty))
    known = session.probabilities_of(layer) or maps_in(session.viewer, layer)
    return Source(layer, start, known=known, classes=known.classes)


def maps_in(viewer: Any, layer: Any) -> ClassMaps:
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
        return ClassMaps(data, tuple(classes), "")
    from dask import array

    shown = stack_of(viewer, made["source"]).values()
    told = [x.metadata["segkit"] for x in shown]
    each = [array.from_array(full_resolution(x), chunks=-1, name=False) for x in shown]
    classes = [LabelClass(t["value"], t["name"], t["color"]) for t in told]
    return ClassMaps(array.stack(each), tuple(classes), made["axes"])


def _soft_masks(objects: Any) -> Any:
    """Objects that have soft masks; others are refined by their classes or labels."""
    return objects if hasattr(getattr(objects, "found", None), "items") else None


def _said(layer: Any, certainty: Certainty) -> tuple[LabelClass, ...]:
    """The classes that a result of ours says it has."""
    made = layer.metadata.get("segkit", {})
    classes = (LabelClass(*c) for c in made.get("classes", ()))
    return tuple(c for c in classes if c.value != certainty.unlabelled)
