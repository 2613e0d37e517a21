"""Evaluation of predictions as a job."""

from collections.abc import Sequence

from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation.left_out import NO_LIMITS, Limits
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import LabelPair, Report, evaluate_pairs
from napari_segkit.steps import Job


def evaluate_job(
    pairs: Sequence[LabelPair], config: EvaluateConfig, limits: Limits = NO_LIMITS
) -> Job[Report[Metric]]:
    """Compare predictions with their truths, a step for each block; gives one report."""
    names = ", ".join(pair.name or "labels" for pair in pairs)
    return Job(f"Evaluate {names}", evaluate_pairs(pairs, config, limits))
