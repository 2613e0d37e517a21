"""Refinement of probabilities, objects or labels as a job."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.config import EvaluateConfig, LabelsAre, RefineConfig, SoftLabelConfig
from napari_segkit.config._schema import to_dict
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.classes import ClassProbabilities, LabelClass
from napari_segkit.images.geometry import (
    Geometry,
    difference,
    geometry_of,
    layer_name,
    warn_if_apart,
)
from napari_segkit.images.types import AnyArray, ImageSource, LazyArray
from napari_segkit.label_result import LabelResult
from napari_segkit.steps import Job, Step, map_steps

if TYPE_CHECKING:
    from napari_segkit.evaluation.parameter_search import SearchResult, Trial
    from napari_segkit.evaluation.semantic import SemanticReport
    from napari_segkit.instances.results import Objects


@dataclass(frozen=True)
class RefineSource:
    """What is refined: one of stored probabilities, the masks of objects, and labels."""

    name: str
    stored: ClassProbabilities | None = None
    objects: "Objects | None" = None
    labels: ImageSource | None = None
    soft_labels: SoftLabelConfig = field(default_factory=SoftLabelConfig)
    classes: tuple[LabelClass, ...] = ()  # of labels: complete after `with_classes`
    scale: Sequence[float] = ()  # along each axis, for a refinement without an image
    geometry: Geometry | None = None  # of a layer
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """Return "objects", "labels" or "probabilities"."""
        if self.objects is not None:
            return "objects"
        return "probabilities" if self.labels is None else "labels"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels."""
        if self.objects is not None:
            return tuple(self.objects.labels.shape)
        if self.stored is not None:
            return tuple(self.stored.maps.shape[1:])
        assert self.labels is not None
        return tuple(full_resolution(self.labels).shape)

    def with_classes(self) -> "RefineSource":
        """Add all painted classes (slow); ValueError if they are fewer than two or too many."""
        if self.labels is None:
            return self
        from napari_segkit.refinement.soft_labels import all_classes

        unlabelled = self.soft_labels.unlabelled
        complete = replace(
            self, classes=all_classes(self.labels, self.classes, unlabelled=unlabelled)
        )
        complete.probabilities()  # validates the classes
        return complete

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each class."""
        return tuple(c.value for c in self.classes)

    def probabilities(self) -> LazyArray:
        """Array-like ``(classes, *spatial)``, read block by block."""
        if self.stored is not None:
            return self.stored.maps
        from napari_segkit.refinement.soft_labels import SoftLabels

        assert self.labels is not None
        return SoftLabels(self.labels, self.values, self.soft_labels)


@dataclass(frozen=True)
class Truth:
    """Ground truth to compare with."""

    labels: ImageSource
    unlabelled: int | None = None  # left out of the metrics


@dataclass(frozen=True)
class RefineRequest:
    """Input and settings of a refinement."""

    source: RefineSource
    image: ImageSource | AxesImage | None
    config: RefineConfig
    axes: str | None = None  # of the image; T instead of Z refines slice by slice
    device: str = "auto"
    truth: Truth | None = None
    probabilities: bool = False  # also return the refined probabilities

    def axes_image(self) -> AxesImage:
        """The image with its axes; without an image, an empty one with the axes of the input."""
        shape = self.source.shape
        if isinstance(self.image, AxesImage):  # compared with the probabilities later
            return self.image
        if self.image is not None:
            return self._check_shape(as_image(self.image, self.axes, labels_shape=shape))
        stored_axes = self.source.stored and self.source.stored.axes
        axes = self.axes or stored_axes or "TZYX"[-len(shape) :]
        scale = dict(zip(axes, self.source.scale, strict=False))
        empty = np.broadcast_to(np.uint8(0), shape)
        return as_image(empty, axes, [abs(float(scale.get(a, 1))) for a in "ZYX"])

    def apart(self) -> str | None:
        """How the image or the truth differs in place from what is refined; None if none does."""
        name, place, image = self.source.name, self.source.geometry, layer_name(self.image)
        found = difference(geometry_of(self.image, self.axes), place, (image, name))
        if found or self.truth is None:
            return found
        labels = self.truth.labels
        return difference(place, geometry_of(labels), (name, layer_name(labels)))

    def _check_shape(self, image: AxesImage) -> AxesImage:
        shape = self.source.shape
        if image.label_shape != shape:
            raise ValueError(
                f"{self.source.name} has shape {shape}, but {image.name} has "
                f"{image.label_shape} (axes {image.axes}): choose the image it belongs to, or "
                "other axes."
            )
        return image

    def ndim(self, image: AxesImage) -> int:
        """Spatial dimensions of the refinement; object masks are 2D."""
        return 3 if image.length("Z") > 1 and self.source.objects is None else 2


@dataclass(frozen=True)
class RefineResult(LabelResult):
    """Refined labels, and how they compare with the truth if there is one."""

    before: "SemanticReport | None" = None
    after: "SemanticReport | None" = None


def refine_job(request: RefineRequest) -> Job[RefineResult]:
    """Refine block by block, or object by object."""
    return Job(f"Refine {request.source.name}", _steps(request))


def fit_job(request: RefineRequest) -> "Job[SearchResult]":
    """Search for the settings that agree best with the truth; one step per trial."""
    return Job(f"Fit {request.source.name}", _search(request))


def _steps(request: RefineRequest) -> Generator[Step, None, RefineResult]:
    warn_if_apart(request.apart())
    request = replace(request, source=request.source.with_classes())
    image, source = request.axes_image(), request.source
    if source.objects is None:
        result = yield from _refine_classes(request, image)
    else:
        result = yield from _smooth_objects(source.objects, request, image)
    if request.truth is None:
        return result
    unrefined = yield from _unrefined(request, image)
    before = yield from _evaluate(unrefined, request, request.truth)
    after = yield from _evaluate(result.labels, request, request.truth)
    return replace(result, before=before, after=after)


def _refine_classes(
    request: RefineRequest, image: AxesImage
) -> Generator[Step, None, RefineResult]:
    from napari_segkit.refinement.pipeline import refine_blocks

    refined = yield from refine_blocks(
        request.source.probabilities(),
        image,
        request.config,
        values=request.source.values,
        device=request.device,
        keep=request.probabilities,
    )
    return RefineResult(
        refined.labels,
        image.label_axes,
        request.source.classes,
        _provenance(request, image),
        refined.probabilities,
    )


def _smooth_objects(
    objects: "Objects", request: RefineRequest, image: AxesImage
) -> Generator[Step, None, RefineResult]:
    """Smooth each object against its background."""
    from napari_segkit.images.axes_image import reorient_image
    from napari_segkit.images.intensity import measure_statistics
    from napari_segkit.instances.candidates import MaskCandidates
    from napari_segkit.refinement.instances import smooth_objects

    smoother = request.config.smoother
    if smoother is None:
        raise ValueError("Objects can only be smoothed: choose a smoothing method, such as crf.")
    candidates = objects.candidates
    assert isinstance(candidates, MaskCandidates)
    oriented = reorient_image(image, objects.image.orientation)
    statistics = measure_statistics([oriented], 2) if smoother.uses_image else None
    total, done, smoothed = sum(map(len, candidates.frames)), 0, []
    for frame, masks in zip(oriented.frames(2), candidates.frames, strict=True):
        steps = smooth_objects(
            masks, oriented, frame, smoother, statistics=statistics, device=request.device
        )
        smoothed.append((yield from map_steps(steps, _offset(done, total))))
        done += len(masks)
    refined = replace(objects, candidates=replace(candidates, frames=smoothed))
    return RefineResult(
        refined.labels,
        image.label_axes,
        objects.classes,
        _provenance(request, image),
        objects=refined,
    )


def _offset(before: int, total: int) -> Callable[[Step], Step]:
    """Offset steps of a part into steps of the total."""
    return lambda step: Step(before + step.done, total)


def _unrefined(
    request: RefineRequest, image: AxesImage
) -> Generator[Step, None, AnyArray | LazyArray]:
    """Labels before refinement: the most likely class of each pixel, or the labels themselves."""
    source = request.source
    if source.objects is not None:
        return source.objects.labels
    if source.labels is not None:
        return full_resolution(source.labels)
    likeliest = yield from _refine_classes(replace(request, config=RefineConfig()), image)
    return likeliest.labels


def _evaluate(
    labels: AnyArray | LazyArray, request: RefineRequest, truth: Truth
) -> Generator[Step, None, "SemanticReport"]:
    from napari_segkit.evaluation.report import LabelPair, evaluate_pairs

    labels_are: LabelsAre = "classes" if request.source.objects is None else "objects"
    config = EvaluateConfig(unlabelled=truth.unlabelled, labels_are=labels_are)
    return (yield from evaluate_pairs([LabelPair(labels, truth.labels)], config))


def _provenance(request: RefineRequest, image: AxesImage) -> dict[str, object]:
    """That of the source, with the refinement added; an earlier refinement becomes "before"."""
    from napari_segkit.versions import versions

    inherited = request.source.provenance
    refinement = {
        "start": request.source.start,
        "image": image.name,
        "axes": image.axes,
        "spacing": list(image.spacing),
        "config": to_dict(request.config),
        "versions": versions(),
    }
    before = {"before": inherited["refined"]} if "refined" in inherited else {}
    return {**inherited, "refined": refinement | before}


def _search(request: RefineRequest) -> Generator["Trial", None, "SearchResult"]:
    from napari_segkit.evaluation.parameter_search import refinement_trials

    warn_if_apart(request.apart())
    source, truth = request.source.with_classes(), request.truth
    assert truth is not None
    image, without_image = request.axes_image(), request.image is None
    return (
        yield from refinement_trials(
            source.probabilities(),
            None if without_image else image,
            full_resolution(truth.labels),
            request.config,
            values=source.values,
            unlabelled=truth.unlabelled,
            axes=image.axes if without_image else None,
            device=request.device,
        )
    )
