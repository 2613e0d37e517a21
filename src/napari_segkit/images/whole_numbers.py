"""Label values that other programs store as floating point numbers or truth values."""

import numpy as np

from .types import AnyArray, LazyArray

ROUNDING = 1e-4  # resampling and scaling factors leave whole numbers this near
PRECISION = 1e-6  # of large numbers in float32
MAX_DIMENSIONS = 5
LARGEST = 2.0**53  # beyond, floating point numbers skip integers


def integers_if_whole(values: AnyArray) -> AnyArray:
    """Truth values as 0 and 1, floating point label values as integers unless one is a fraction."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.floating) or not values.size:
        return values
    highest = float(np.abs(values).max())  # NaN if one value is
    if not highest < LARGEST or not _is_whole(values).all():
        return values
    return smallest_integers(np.rint(values).astype(np.int64))


def first_fractions(values: AnyArray, count: int = 3) -> str:
    """Some of the different floating point values that are not whole, for a message."""
    return ", ".join(f"{v:.6g}" for v in np.unique(values[~_is_whole(values)])[:count])


def smallest_integers(values: AnyArray) -> AnyArray:
    """Integers in the smallest dtype that holds them."""
    low, high = int(values.min()), int(values.max())
    types = map(np.min_scalar_type, (low, high if low >= 0 else -1 - high))
    return values.astype(np.result_type(*types))


def _is_whole(values: AnyArray) -> AnyArray:
    with np.errstate(invalid="ignore"):
        return np.isclose(values, np.rint(values), rtol=PRECISION, atol=ROUNDING)


def require_real_numbers(data: LazyArray, name: str) -> None:
    """Refuse numbers that cannot be an image, without reading it."""
    if data.ndim < 2:
        raise ValueError(f"{name} has shape {data.shape}: give an image of two dimensions or more.")
    if data.ndim > MAX_DIMENSIONS:
        raise ValueError(
            f"{name} has {data.ndim} dimensions: give one of at most five axes, TCZYX."
        )
    if np.issubdtype(data.dtype, np.complexfloating):
        raise TypeError(
            f"{name} has dtype {data.dtype}: give real numbers, such as numpy.abs(image)."
        )
