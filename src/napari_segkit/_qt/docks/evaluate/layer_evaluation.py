"""Evaluation of two Labels layers, which tells later whether they have changed."""

from collections.abc import Generator
from dataclasses import dataclass

from napari.layers import Labels

from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit._qt.layers.snapshots import Snapshot
from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import LabelPair, Report
from napari_segkit.jobs.evaluate import evaluate_job
from napari_segkit.steps import Job, Step


@dataclass(frozen=True)
class EvaluationResult:
    """Metrics, and the inputs that they were computed from."""

    report: Report[Metric]
    layers: tuple[str, ...]  # `unique_id` of prediction and truth
    options: EvaluateConfig
    fingerprints: tuple[str, ...]  # of the pixels and class tables of both layers
    text: str
    on_training_data: bool


def evaluate_layers(
    prediction: Snapshot, truth: Snapshot, options: EvaluateConfig, training: frozenset[str]
) -> Job[EvaluationResult]:
    """Evaluate two layers, and hash them; `training` are the labels of the training."""
    job = evaluate_job([LabelPair(prediction, truth, prediction.name)], options)

    def steps() -> Generator[Step, object, EvaluationResult]:
        report = yield from job.steps
        hashes = fingerprints(prediction, truth, options.kind)
        on_training_data = not training.isdisjoint({truth.unique_id, hashes[1]})
        mark = ", on training data" * on_training_data
        title = f"{prediction.name} against {truth.name}{mark}."
        return EvaluationResult(
            report,
            (prediction.unique_id, truth.unique_id),
            options,
            hashes,
            "\n".join([title, report.summary(), *report.notes]),
            on_training_data,
        )

    return Job(job.title, steps())


def fingerprints(
    prediction: Labels | Snapshot, truth: Labels | Snapshot, kind: str
) -> tuple[str, ...]:
    """Hash the pixels and, if panoptic, the class tables of two layers; slow if large."""
    layers = (prediction, truth)
    classes = [layer.features.to_csv() for layer in layers] if kind == "panoptic" else []
    return (*(fingerprint(layer.data) for layer in layers), *classes)
