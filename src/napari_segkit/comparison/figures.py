"""What is compared: the main metrics of each kind, their intervals, and what a model takes."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from typing import Any

MEGABYTE = 10**6
Figure = Callable[[Any], float]

TITLES = {
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "accuracy": "accuracy",
    "f1": "F1",
    "mean_ap": "mean AP",
    "pq": "PQ",
    "mean_pq": "mean PQ",
}

# what is compared first: the attribute of a report, by the kind of its metrics
FIGURES: dict[str, dict[str, Figure]] = {
    "semantic": {
        "mean_iou": lambda report: report.mean_iou,
        "mean_dice": lambda report: report.mean_dice,
        "accuracy": lambda report: report.accuracy,
    },
    "instance": {
        "f1": lambda report: report.f1[report.thresholds[0]],
        "mean_ap": lambda report: report.mean_ap,
        "pq": lambda report: report.pq,
    },
    "panoptic": {
        "mean_pq": lambda report: report.mean_pq,
        "mean_iou": lambda report: report.mean_iou,
    },
}


@dataclass(frozen=True)
class Interval:
    """Mean of a metric over `n` images or groups; it may lie from `low` to `high`."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Cost:
    """What a model takes; nan where it is unknown, as of predictions.

    Parameters
    ----------
    seconds_per_megapixel : float
        Of prediction and refinement on the device that was used. The first image of each model,
        which prepares it, is left out where there are others.
    parameters : float
        Weights of the network.
    file_mb : float
        Size of the model file, in 10^6 bytes.
    """

    seconds_per_megapixel: float = nan
    parameters: float = nan
    file_mb: float = nan
