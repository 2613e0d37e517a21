"""Is one model better than another? Tests of the differences, image by image or group by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

LEAST = 2  # units that a test needs
RESAMPLES = 9999
EXACT_UP_TO = 13  # units whose 2^n signs are all tried

TEST = "sign-flip permutation test of the mean difference (scipy.stats.permutation_test)"


@dataclass(frozen=True)
class PairedTest:
    """The mean difference of two models over the units that both have, and its p-value."""

    difference: float
    p: float
    n: int


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Compare the metrics of two models on the same images or groups, two-sided.

    Exact up to 13 units, else with 9999 seeded resamples. Units where one is nan are left out.
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    differences = differences[np.isfinite(differences)]
    count = len(differences)
    mean = float(differences.mean()) if count else nan
    return PairedTest(mean, _p_value(differences) if count >= LEAST else nan, count)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's method; nan stays nan and is not counted."""
    order = sorted((i for i, p in enumerate(p_values) if not isnan(p)), key=lambda i: p_values[i])
    adjusted, highest = [nan] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _p_value(differences: NDArray[np.float64]) -> float:
    from scipy.stats import permutation_test

    exact = len(differences) <= EXACT_UP_TO
    result = permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=np.inf if exact else RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)
