"""Refinement of a layer in the background, and its result layer."""

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
    from napari_segkit.evaluation.semantic import SemanticReport
    from napari_segkit.instances.results import Objects

    from .task import Task

OWN_KEYS = ("source", "kind", "layer", "classes", "fingerprint")  # not inherited by a result


@dataclass(frozen=True)
class TruthLayer:
    """Ground truth to compare with."""

    layer: Any  # layer or Snapshot
    unlabelled: int | None = None  # left out of the metrics


@dataclass(frozen=True)
class RefineRequest:
    """Input and settings of a refinement."""

    source: RefineSource
    image: Any  # layer, Snapshot or None
    config: RefineConfig
    axes: str | None = None  # of the image; T instead of Z refines slice by slice
    device: str = "auto"
    truth: TruthLayer | None = None

    def frozen(self, *, copied: bool = True) -> "RefineRequest":
        """Copy for a worker thread; with `copied=False`, later painting is visible there."""
        truth = self.truth if copied else None
        truth = truth and replace(truth, layer=snapshot(truth.layer))
        image = None if self.image is None else snapshot(self.image)
        return replace(self, source=self.source.frozen(copied=copied), image=image, truth=truth)

    def axes_image(self) -> AxesImage:
        """The image with its axes; without an image, an empty one with the axes of the input."""
        shape = self.source.shape
        if self.image is not None:
            return self._check_shape(as_image(self.image, self.axes, labels_shape=shape))
        stored_axes = self.source.stored and self.source.stored.axes
        axes = self.axes or stored_axes or "TZYX"[-len(shape) :]
        layer = self.source.layer
        scale = dict(zip(axes, layer.scale[-len(shape) :], strict=True))
        empty = np.broadcast_to(np.uint8(0), shape)
        return as_image(empty, axes, [abs(float(scale.get(a, 1))) for a in "ZYX"])

    def _check_shape(self, image: AxesImage) -> AxesImage:
        shape = self.source.shape
        if image.label_shape != shape:
            raise ValueError(
                f"{self.source.layer.name} has shape {shape}, but {image.name} has "
                f"{image.label_shape} (axes {image.axes}): choose the image it belongs to, or "
                "other axes."
            )
        return image

    def ndim(self, image: AxesImage) -> int:
        """Spatial dimensions of the refinement; object masks are 2D."""
        return 3 if image.length("Z") > 1 and self.source.objects is None else 2


@dataclass(frozen=True)
class RefineResult:
    """Refined labels, and how they compare with the truth if there is one."""

    labels: NDArray[Any]  # owned by the layer
    axes: str  # of the labels
    source: RefineSource
    objects: "Objects | None"  # whose labels these are
    before: "SemanticReport | None"
    after: "SemanticReport | None"
    provenance: dict[str, Any]


def refine_steps(request: RefineRequest) -> Generator[Any, None, RefineResult]:
    """Refine a frozen request, with a step after each block or object."""
    source = request.source.with_classes()
    request = replace(request, source=source)
    image = request.axes_image()
    objects, unrefined = None, None
    if source.objects is not None:
        objects = yield from _smooth_objects(source.objects, image, request)
        unrefined, labels = source.objects.labels, objects.labels.copy()
        objects.table  # noqa: B018  computed here, off the GUI thread
    else:
        labels = yield from _refine_labels(request, image)
    before, after = None, None
    if request.truth is not None:
        if unrefined is None:
            unrefined = yield from _raw_labels(request, image)
        before = yield from _evaluate(unrefined, request)
        after = yield from _evaluate(labels, request)
    provenance = _provenance(request, image)
    return RefineResult(labels, image.label_axes, source, objects, before, after, provenance)


def _refine_labels(request: RefineRequest, image: AxesImage) -> Generator[Step, None, NDArray[Any]]:
    from napari_segkit.refinement.pipeline import refine_blocks

    refined = yield from refine_blocks(
        request.source.probabilities(),
        image,
        request.config,
        values=request.source.values,
        device=request.device,
        keep=False,
    )
    return refined.labels


def _raw_labels(request: RefineRequest, image: AxesImage) -> Generator[Step, None, NDArray[Any]]:
    """Labels before refinement: the most likely class of each pixel, or the labels themselves."""
    if request.source.start == "labels":
        return request.source.layer.data
    return (yield from _refine_labels(replace(request, config=RefineConfig()), image))


def _smooth_objects(
    objects: "Objects", image: AxesImage, request: RefineRequest
) -> Generator[Step, None, "Objects"]:
    """Smooth each object against its background."""
    from napari_segkit.images.axes_image import reorient_image
    from napari_segkit.images.intensity import measure_statistics
    from napari_segkit.refinement.instances import smooth_objects
    from napari_segkit.refinement.smooth import uses_image

    smoother = request.config.smoother
    if smoother is None:
        raise ValueError("Objects can only be smoothed: choose a smoothing method, such as crf.")
    image = reorient_image(image, objects.image.orientation)
    statistics = measure_statistics([image], 2) if uses_image(smoother) else None
    candidates: Any = objects.candidates
    total, done, smoothed = sum(map(len, candidates.frames)), 0, []
    for frame, masks in zip(image.frames(2), candidates.frames, strict=True):
        steps = smooth_objects(
            masks, image, frame, smoother, statistics=statistics, device=request.device
        )
        smoothed.append((yield from map_steps(steps, _offset(done, total))))
        done += len(masks)
    return replace(objects, candidates=replace(candidates, frames=smoothed))


def _offset(before: int, total: int) -> Callable[[Any], Step]:
    """Offset steps of a part into steps of the total."""
    return lambda step: Step(before + step.done, total)


def _evaluate(labels: Any, request: RefineRequest) -> Generator[Step, None, "SemanticReport"]:
    from napari_segkit.evaluation.report import evaluate_blocks

    truth: Any = request.truth
    return (
        yield from evaluate_blocks(
            labels,
            truth.layer,
            unlabelled=truth.unlabelled,
            labels_are="classes" if request.source.objects is None else "objects",
        )
    )


def _provenance(request: RefineRequest, image: AxesImage) -> dict[str, Any]:
    from napari_segkit.versions import versions

    metadata = request.source.layer.metadata.get("segkit", {})
    inherited = {k: v for k, v in metadata.items() if k not in OWN_KEYS}
    before = {"before": inherited["refined"]} if "refined" in inherited else {}
    refinement = {
        "start": request.source.start,
        "image": image.name,
        "axes": image.axes,
        "spacing": list(image.spacing),
        "config": to_dict(request.config),
        "versions": versions(),
    }
    return inherited | {"refined": refinement | before}


class RefineWriter(QObject):
    """Writes the result to a layer in the place of its source; owned by the task."""

    written = Signal(object, object)  # Labels layer, RefineResult

    def __init__(self, task: "Task", registry: LayerRegistry) -> None:
        super().__init__(task)
        self._registry = registry
        task.returned.connect(self._write)

    def _write(self, result: RefineResult) -> None:
        viewer = self._registry.viewer
        if viewer is None:
            return
        source = result.source.layer
        name = f"{source.name} refined"
        if result.objects is not None:
            layer = write_objects(
                self._registry,
                source,
                result.objects,
                result.labels,
                result.objects.table,
                provenance=result.provenance,
                axes=result.axes,
                name=name,
            )
        else:
            layer = write_labels(
                viewer,
                source,
                result.labels,
                classes=_displayed_classes(viewer, result.source),
                provenance=result.provenance,
                axes="C" * (source.ndim - result.labels.ndim) + result.axes,
                name=name,
                kind="refined",
            )
        self.written.emit(layer, result)


def _displayed_classes(viewer: Any, source: RefineSource) -> tuple[LabelClass, ...]:
    """The classes in the colours of the source layer."""
    layer: Snapshot = source.layer
    for candidate in viewer.layers:
        if str(candidate.unique_id) == layer.unique_id and source.start == "labels":
            classes = {c.value: c for c in read_classes(candidate, source.values)}
            return tuple(classes[v] for v in source.values)
    return source.classes
