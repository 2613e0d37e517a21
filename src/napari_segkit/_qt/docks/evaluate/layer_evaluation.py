"""Evaluation of two Labels layers, which tells later whether they have changed."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from napari.layers import Labels

from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import ShapesSnapshot, Snapshot, with_own_pixels
from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.class_map import proposed_class_map
from napari_segkit.evaluation.left_out import Limits, truth_image
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import LabelPair, Report
from napari_segkit.evaluation.semantic import ClassConfusion
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.jobs.evaluate import evaluate_job
from napari_segkit.steps import Job, Step

from .seen_pixels import TrainedPixels, Training

MARK = ", includes training pixels"


@dataclass(frozen=True)
class EvaluationRequest:
    """What is compared, and how; `key` differs where other metrics are asked for.

    It is made on the thread of the window, which copies no pixels; a worker does by `copied`.
    """

    prediction: Snapshot
    truth: Snapshot
    config: EvaluateConfig
    key: tuple[object, ...] = ()
    region: Snapshot | ShapesSnapshot | None = None
    training: Training = field(default_factory=Training)
    without_seen: bool = True  # pixels that the model was trained on are left out

    def copied(self) -> "EvaluationRequest":
        """The request with pixels that nobody paints on."""
        region = self.region
        return replace(
            self,
            prediction=with_own_pixels(self.prediction),
            truth=with_own_pixels(self.truth),
            region=with_own_pixels(region) if isinstance(region, Snapshot) else region,
        )


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics, and the inputs that they were computed from."""

    report: Report[Metric]
    key: tuple[object, ...]
    options: EvaluateConfig
    fingerprints: tuple[str, ...]  # of the pixels and class tables of both layers
    text: str
    on_training_data: bool
    unit: str  # of distances; "": unknown
    class_map: dict[int, int]  # that is proposed


def evaluate_layers(request: EvaluationRequest) -> Job[EvaluationResult]:
    """Evaluate two layers, and hash them."""
    return Job(f"Evaluate {request.prediction.name}", _steps(request))


def _steps(request: EvaluationRequest) -> Generator[Step, object, EvaluationResult]:
    request = request.copied()
    prediction, truth = request.prediction, request.truth
    pair, limits, trained = limited_pair(request)
    report = yield from evaluate_job([pair], request.config, limits).steps
    hashes = fingerprints(prediction, truth, request.config.kind)
    if trained.mask is not None:
        includes = limits.unseen_by is None and bool(trained.mask.any())
    else:
        includes = not request.training.labels.isdisjoint({truth.unique_id, hashes[1]})
    title = f"{prediction.name} against {truth.name}{MARK * includes}."
    notes = [*report.notes, *filter(None, [trained.problem])]
    text = "\n".join([title, report.summary(), *notes])
    unit = truth_image(truth).unit
    proposed = {}
    if isinstance(report.main, ClassConfusion) and not request.config.class_map:
        proposed = proposed_class_map(report.main, prediction, truth)
    return EvaluationResult(
        report, request.key, request.config, hashes, text, includes, unit, proposed
    )


def limited_pair(
    request: EvaluationRequest,
) -> tuple[LabelPair, Limits, TrainedPixels]:
    """What is compared, which pixels count, and those that were trained on."""
    training, shape = request.training, tuple(full_resolution(request.truth).shape)
    trained = training.trained_pixels(shape)
    unseen_by = training.model if trained.mask is not None and request.without_seen else None
    image = training.axes_image(shape) if unseen_by else None
    pair = LabelPair(request.prediction, request.truth, request.prediction.name, image=image)
    return pair, Limits(request.region, unseen_by), trained


def fingerprints(
    prediction: Labels | Snapshot, truth: Labels | Snapshot, kind: str
) -> tuple[str, ...]:
    """Hash the pixels and, if panoptic, the class tables of two layers; slow if large."""
    layers = (prediction, truth)
    classes = [layer.features.to_csv() for layer in layers] if kind == "panoptic" else []
    return (*(fingerprint(layer.data) for layer in layers), *classes)
