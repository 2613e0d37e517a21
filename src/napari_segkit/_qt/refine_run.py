"""From probabilities, objects or labels to a refined layer, in the background."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_segkit.config import RefineConfig
from napari_segkit.data.classes import LabelClass
from napari_segkit.data.images import Image, as_image
from napari_segkit.declare import to_dict
from napari_segkit.steps import Step, mapped

from .delivery import write_objects
from .layer_classes import read_classes
from .layers import write_labels
from .refine_source import Source
from .snapshots import Snapshot, snapshot

if TYPE_CHECKING:
    from napari_segkit.evaluation.semantic import Report
    from napari_segkit.objects.record import Objects

    from .session import Session
    from .task import Task

LEFT = ("source", "kind", "layer", "classes", "fingerprint")  # what every result has of its own


@dataclass(frozen=True)
class Truth:
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
class Order:
    """What is to be refined, and how.

    Parameters
    ----------
    source : Source
        What is refined.
    image : layer, Snapshot or None
        The image it belongs to.
    config : RefineConfig
        How.
    axes : str or None
        Of the image; with T in place of Z, every slice is refined for itself.
    device : str
        Where it is smoothed.
    truth : Truth or None
        What the labels before and after are compared with.
    """

    source: Source
    image: Any
    config: RefineConfig
    axes: str | None = None
    device: str = "auto"
    truth: Truth | None = None

    def frozen(self, *, copied: bool = True) -> "Order":
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

    def named(self) -> Image:
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

    def _fitting(self, image: Image) -> Image:
        shape = self.source.shape
        if image.without_channels() != shape:
            raise ValueError(
                f"{self.source.layer.name} is of {shape} pixels, {image.name} of "
                f"{image.without_channels()} (axes {image.axes}): choose the image that it "
                "belongs to, or other axes."
            )
        return image

    def ndim(self, image: Image) -> int:
        """Spatial dimensions in which it is refined; objects have flat masks."""
        return 3 if image.length("Z") > 1 and self.source.objects is None else 2


@dataclass(frozen=True)
class Outcome:
    """What has been refined.

    Parameters
    ----------
    labels : ndarray
        For the layer alone: a person may paint on it.
    axes : str
        Of the labels.
    source : Source
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
    source: Source
    objects: "Objects | None"
    before: "Report | None"
    after: "Report | None"
    provenance: dict[str, Any]


def refining(order: Order) -> Generator[Any, None, Outcome]:
    """Refine, step by step.

    Parameters
    ----------
    order : Order
        Frozen.

    Yields
    ------
    Step
        After each block or object.

    Returns
    -------
    Outcome
        Ready to be shown.
    """
    source = order.source.with_classes()
    order = replace(order, source=source)
    image = order.named()
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
    return Outcome(labels, image.label_axes, source, objects, before, after, made)


def _labels(order: Order, image: Image) -> Generator[Step, None, NDArray[Any]]:
    from napari_segkit.refinement.recipe import refine_blocks

    maps, values = order.source.probabilities(), order.source.values
    more: Any = {"values": values, "device": order.device, "keep": False}
    refined = yield from refine_blocks(maps, image, order.config, **more)
    return refined.labels


def _raw(order: Order, image: Image) -> Generator[Step, None, NDArray[Any]]:
    """The labels before: the likeliest class of each pixel, or what was painted."""
    if order.source.start == "labels":
        return order.source.layer.data
    return (yield from _labels(replace(order, config=RefineConfig()), image))


def _objects(objects: "Objects", image: Image, order: Order) -> Generator[Step, None, "Objects"]:
    """The same objects, each smoothed against its background."""
    from napari_segkit.data.normalise import measure
    from napari_segkit.data.orientation import turned
    from napari_segkit.refinement.objects import smooth_objects
    from napari_segkit.refinement.smooth import sees_image

    smoother = order.config.smoother
    if smoother is None:
        raise ValueError("Objects are smoothed only: choose how, for instance by crf.")
    lies = turned(image, objects.image.orientation)
    numbers = measure([lies], 2) if sees_image(smoother) else None
    found: Any = objects.found
    total, done, items = sum(map(len, found.items)), 0, []
    for item, candidates in zip(lies.items(2), found.items, strict=True):
        more: Any = {"statistics": numbers, "device": order.device}
        steps = smooth_objects(candidates, lies, item, smoother, **more)
        items.append((yield from mapped(steps, _counted(done, total))))
        done += len(candidates)
    return replace(objects, found=replace(found, items=items))


def _counted(before: int, total: int) -> Callable[[Any], Step]:
    """Steps of a part as steps of the whole."""
    return lambda step: Step(before + step.done, total)


def _compared(labels: Any, order: Order) -> Generator[Step, None, "Report"]:
    from napari_segkit.evaluation.report import evaluate_blocks

    truth: Any = order.truth
    are = "objects" if order.source.objects is not None else "classes"
    more: Any = {"unlabelled": truth.unlabelled, "labels_are": are}
    return (yield from evaluate_blocks(labels, truth.layer, **more))


def _provenance(order: Order, image: Image) -> dict[str, Any]:
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


def begin(session: "Session", order: Order) -> "Task":
    """Refine in the background; the result becomes a Labels layer.

    Parameters
    ----------
    session : Session
        Where it runs.
    order : Order
        What and how.

    Returns
    -------
    Task
        The work, already running. Its attribute `delivery` tells when the layer is written.
    """
    frozen = order.frozen()
    task = session.run(refining(frozen), title=f"Refine {frozen.source.layer.name}")
    task.delivery = RefineDelivery(task, session)
    return task


class RefineDelivery(QObject):
    """Writes what was refined beside what it was made from.

    Parameters
    ----------
    task : Task
        The work under way; owns this object.
    session : Session
        Whose viewer gets the layer.

    Attributes
    ----------
    written : Signal(object, object)
        The Labels layer, and the outcome that it shows.
    """

    written = Signal(object, object)

    def __init__(self, task: "Task", session: "Session") -> None:
        super().__init__(task)
        self._session = session
        task.returned.connect(self._write)

    def _write(self, outcome: Outcome) -> None:
        viewer = self._session.viewer
        if viewer is None:
            return
        source = outcome.source.layer
        name = f"{source.name} refined"
        told: dict[str, Any] = {"provenance": outcome.provenance}
        if outcome.objects is not None:
            what = outcome.objects, outcome.labels, outcome.objects.table
            layer = write_objects(
                self._session, source, *what, **told, axes=outcome.axes, name=name
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


def _on_screen(viewer: Any, source: Source) -> tuple[LabelClass, ...]:
    """The classes, in the colours in which the labels before show them."""
    layer: Snapshot = source.layer
    for shown in viewer.layers:
        if str(shown.unique_id) == layer.unique_id and source.start == "labels":
            known = {c.value: c for c in read_classes(shown, source.values)}
            return tuple(known[v] for v in source.values)
    return source.classes
