"""How far a mean over images or groups may be off: bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """The mean of some values, and where it may lie; nan with fewer than two."""

    mean: float
    low: float
    high: float
    n: int


def bootstrap(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of the values that are not nan, and the percentile interval of resampled means."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    count = len(known)
    if count < 2:
        return Interval(float(known[0]) if count else nan, nan, nan, count)
    chosen = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(known[chosen].mean(axis=1), [tail, 100 - tail])
    return Interval(float(known.mean()), float(low), float(high), count)
