"""From probabilities, objects or labels to a refined layer, in the background."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit._qt.layers.layer_registry import LayerRegistry
from napari_segkit._qt.layers.result_layers import write_labels
from napari_segkit._qt.layers.snapshots import Snapshot, snapshot
from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage, as_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.steps import Step, map_steps

from .predict_job import write_objects
from .refine_source import RefineSource

if TYPE_CHECKING:
    from napari_segkit.evaluation.semantic import Report
    from napari_segkit.instances.results import Objects

    from .task import Task

LEFT = ("source", "kind", "layer", "classes", "fingerprint")  # what every result has of its own


@dataclass(frozen=True)
class TruthLayer:
    """What a result is compared with.

    Parameters
    ----------
    layer : layer or Snapshot
        The truth.
    unlabelled : int or None
        Its value that is not counted.
    """

    layer: Any
    unlabelled: int | None = None


@dataclass(frozen=True)
class RefineRequest:
    """What is to be refined, and how.

    Parameters
    ----------
    source : RefineSource
        What is refined.
    image : layer, Snapshot or None
        The image it belongs to.
    config : RefineConfig
        How.
    axes : str or None
        Of the image; with T in place of Z, every slice is refined for itself.
    device : str
        Where it is smoothed.
    truth : TruthLayer or None
        What the labels before and after are compared with.
    """

    source: RefineSource
    image: Any
    config: RefineConfig
    axes: str | None = None
    device: str = "auto"
    truth: TruthLayer | None = None

    def frozen(self, *, copied: bool = True) -> "RefineRequest":
        """The same for the background, whatever becomes of the layers.

        Parameters
        ----------
        copied : bool
            Copy what a person may paint on.
        """
        truth = self.truth if copied else None
        truth = truth and replace(truth, layer=snapshot(truth.layer))
        image = None if self.image is None else snapshot(self.image)
        return replace(self, source=self.source.frozen(copied=copied), image=image, truth=truth)

    def axes_image(self) -> AxesImage:
        """The image with its axes; without one, those that the pixels to be refined have."""
        shape = self.source.shape
        if self.image is not None:
            return self._fitting(as_image(self.image, self.axes, labels_shape=shape))
        known = self.source.known and self.source.known.axes
        axes = self.axes or known or "TZYX"[-len(shape) :]
        layer = self.source.layer
        scale = dict(zip(axes, layer.scale[-len(shape) :], strict=True))
        nothing = np.broadcast_to(np.uint8(0), shape)
        return as_image(nothing, axes, [abs(float(scale.get(a, 1))) for a in "ZYX"])

    def _fitting(self, image: AxesImage) -> AxesImage:
        shape = self.source.shape
        if image.without_channels() != shape:
            raise ValueError(
                f"{self.source.layer.name} is of {shape} pixels, {image.name} of "
                f"{image.without_channels()} (axes {image.axes}): choose the image that it "
                "belongs to, or other axes."
            )
        return image

    def ndim(self, image: AxesImage) -> int:
        """Spatial dimensions in which it is refined; objects have flat masks."""
        return 3 if image.length("Z") > 1 and self.source.objects is None else 2


@dataclass(frozen=True)
class RefineResult:
    """What has been refined.

    Parameters
    ----------
    labels : ndarray
        For the layer alone: a person may paint on it.
    axes : str
        Of the labels.
    source : RefineSource
        What it was made from, its classes known.
    objects : Objects or None
        The objects behind the labels.
    before, after : Report or None
        How well the labels agreed with a truth, and agree now.
    provenance : dict
        How it was made.
    """

    labels: NDArray[Any]
    axes: str
    source: RefineSource
    objects: "Objects | None"
    before: "Report | None"
    after: "Report | None"
    provenance: dict[str, Any]


def refine_steps(order: RefineRequest) -> Generator[Any, None, RefineResult]:
    """Refine, step by step.

    Parameters
    ----------
    order : RefineRequest
        Frozen.

    Yields
    ------
    Step
        After each block or object.

    Returns
    -------
    RefineResult
        Ready to be shown.
    """
    source = order.source.with_classes()
    order = replace(order, source=source)
    image = order.axes_image()
    objects, raw = None, None
    if source.objects is not None:
        objects = yield from _objects(source.objects, image, order)
        raw, labels = source.objects.labels, objects.labels.copy()
        objects.table  # noqa: B018  made here, where it holds nobody up
    else:
        labels = yield from _labels(order, image)
    before, after = None, None
    if order.truth is not None:
        raw = raw if raw is not None else (yield from _raw(order, image))
        before = yield from _compared(raw, order)
        after = yield from _compared(labels, order)
    made = _provenance(order, image)
    return RefineResult(labels, image.label_axes, source, objects, before, after, made)


def _labels(order: RefineRequest, image: AxesImage) -> Generator[Step, None, NDArray[Any]]:
    from napari_segkit.refinement.pipeline import refine_blocks

    maps, values = order.source.probabilities(), order.source.values
    more: Any = {"values": values, "device": order.device, "keep": False}
    refined = yield from refine_blocks(maps, image, order.config, **more)
    return refined.labels


def _raw(order: RefineRequest, image: AxesImage) -> Generator[Step, None, NDArray[Any]]:
    """The labels before: the likeliest class of each pixel, or what was painted."""
    if order.source.start == "labels":
        return order.source.layer.data
    return (yield from _labels(replace(order, config=RefineConfig()), image))


def _objects(
    objects: "Objects", image: AxesImage, order: RefineRequest
) -> Generator[Step, None, "Objects"]:
    """The same objects, each smoothed against its background."""
    from napari_segkit.images.axes_image import turned
    from napari_segkit.images.intensity import measure
    from napari_segkit.refinement.instances import smooth_objects
    from napari_segkit.refinement.smooth import sees_image

    smoother = order.config.smoother
    if smoother is None:
        raise ValueError("Objects are smoothed only: choose how, for instance by crf.")
    lies = turned(image, objects.image.orientation)
    numbers = measure([lies], 2) if sees_image(smoother) else None
    found: Any = objects.candidates
    total, done, frames = sum(map(len, found.frames)), 0, []
    for frame, candidates in zip(lies.frames(2), found.frames, strict=True):
        more: Any = {"statistics": numbers, "device": order.device}
        steps = smooth_objects(candidates, lies, frame, smoother, **more)
        frames.append((yield from map_steps(steps, _counted(done, total))))
        done += len(candidates)
    return replace(objects, candidates=replace(found, frames=frames))


def _counted(before: int, total: int) -> Callable[[Any], Step]:
    """Steps of a part as steps of the whole."""
    return lambda step: Step(before + step.done, total)


def _compared(labels: Any, order: RefineRequest) -> Generator[Step, None, "Report"]:
    from napari_segkit.evaluation.report import evaluate_blocks

    truth: Any = order.truth
    are = "objects" if order.source.objects is not None else "classes"
    more: Any = {"unlabelled": truth.unlabelled, "labels_are": are}
    return (yield from evaluate_blocks(labels, truth.layer, **more))


def _provenance(order: RefineRequest, image: AxesImage) -> dict[str, Any]:
    from napari_segkit.versions import versions

    made = order.source.layer.metadata.get("segkit", {})
    kept = {k: v for k, v in made.items() if k not in LEFT}
    before = {"before": kept["refined"]} if "refined" in kept else {}
    told = {
        "start": order.source.start,
        "image": image.name,
        "axes": image.axes,
        "spacing": list(image.spacing),
        "config": to_dict(order.config),
        "versions": versions(),
    }
    return kept | {"refined": told | before}


class RefineWriter(QObject):
    """Writes what was refined beside what it was made from.

    Parameters
    ----------
    task : Task
        The work under way; owns this object.
    registry : LayerRegistry
        Whose viewer gets the layer.

    Attributes
    ----------
    written : Signal(object, object)
        The Labels layer, and the outcome that it shows.
    """

    written = Signal(object, object)

    def __init__(self, task: "Task", registry: LayerRegistry) -> None:
        super().__init__(task)
        self._registry = registry
        task.returned.connect(self._write)

    def _write(self, outcome: RefineResult) -> None:
        viewer = self._registry.viewer
        if viewer is None:
            return
        source = outcome.source.layer
        name = f"{source.name} refined"
        told: dict[str, Any] = {"provenance": outcome.provenance}
        if outcome.objects is not None:
            what = outcome.objects, outcome.labels, outcome.objects.table
            layer = write_objects(
                self._registry, source, *what, **told, axes=outcome.axes, name=name
            )
        else:
            layer = write_labels(
                viewer,
                source,
                outcome.labels,
                classes=_on_screen(viewer, outcome.source),
                axes="C" * (source.ndim - outcome.labels.ndim) + outcome.axes,
                name=name,
                kind="refined",
                **told,
            )
        self.written.emit(layer, outcome)


def _on_screen(viewer: Any, source: RefineSource) -> tuple[LabelClass, ...]:
    """The classes, in the colours in which the labels before show them."""
    layer: Snapshot = source.layer
    for shown in viewer.layers:
        if str(shown.unique_id) == layer.unique_id and source.start == "labels":
            known = {c.value: c for c in read_classes(shown, source.values)}
            return tuple(known[v] for v in source.values)
    return source.classes
