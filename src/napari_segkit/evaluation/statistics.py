"""Mean, spread and confidence interval of metrics over images or groups."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import as_numbers, given

from .confusion import Floats, ratio

if TYPE_CHECKING:
    from pandas import DataFrame

RESAMPLES = 5000
SEED = 0
Flat: TypeAlias = Mapping[tuple[str, object], float]  # metric and class -> value


def spread(
    pooled: Flat, units: Sequence[Flat], groups: Sequence[Hashable], confidence: float, key: str
) -> "DataFrame":
    """A row for each value of `pooled`: its mean, spread and interval over the units.

    The interval is that of the mean, a percentile bootstrap that draws whole groups of units.
    """
    from pandas import DataFrame

    values = np.array([[unit.get(name, np.nan) for name in pooled] for unit in units])
    counted = (~np.isnan(values)).sum(axis=0)
    low, high = bootstrap(values, groups, confidence)
    columns = {
        "metric": [metric for metric, _ in pooled],
        key: [value for _, value in pooled],
        "pooled": list(pooled.values()),
        "mean": ratio(np.nansum(values, axis=0), counted),
        "std": standard_deviation(values),
        "low": low,
        "high": high,
        "n": counted,
        "absent": len(units) - counted,
    }
    return DataFrame(columns)


def standard_deviation(values: Floats) -> Floats:
    """Standard deviation of a sample, of each column; nan of fewer than two numbers or with inf."""
    counted = (~np.isnan(values)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        off = values - ratio(np.nansum(values, axis=0), counted)
    squares = np.where(np.isinf(values).any(axis=0), np.nan, np.nansum(off**2, axis=0))
    return np.sqrt(ratio(squares, counted - 1))


def bootstrap(
    values: Floats, groups: Sequence[Hashable], confidence: float
) -> tuple[Floats, Floats]:
    """Percentile interval of the mean of each column, over random draws of whole groups.

    nan where fewer than two groups have a number.
    """
    names = list(dict.fromkeys(groups))
    members = np.array([[group == name for group in groups] for name in names], float)
    endless = members @ np.isinf(values)
    sums = members @ np.nan_to_num(values, posinf=0, neginf=0)
    counts = members @ ~np.isnan(values)
    draws = _draws(len(names))
    means = np.where(draws @ endless > 0, np.inf, ratio(draws @ sums, draws @ counts))
    several = (counts > 0).sum(axis=0) > 1
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.full((2, values.shape[1]), np.nan)
    if several.any():
        found = np.nanquantile(means[:, several], ends, axis=0, method="inverted_cdf")
        low[several], high[several] = found
    return low, high


def _draws(groups: int) -> NDArray[np.float64]:
    """How often each group is drawn, in each resample; the same at each call."""
    random = np.random.default_rng(SEED)
    return random.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES).astype(float)


def require_confidence(confidence: object) -> None:
    """Refuse what is no part between 0 and 1."""
    wanted = "a number between 0 and 1, such as 0.95"
    (number,) = as_numbers("confidence", [confidence], wanted)
    if not 0 < number < 1:
        raise ValueError(f"confidence is {given(confidence)}: give {wanted}.")
