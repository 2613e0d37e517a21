"""Plain labels turned into probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.data.labels import LabelsError, as_values, count, to_indices

MOST = 255  # classes; what has more values are the numbers of objects


def soft_labels(
    labels: Any,
    *,
    values: Sequence[int] | None = None,
    certainty: float = 0.8,
    unlabelled: int | None = None,
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Turn plain labels into probabilities, which can be smoothed.

    Parameters
    ----------
    labels : array-like or napari Labels layer
        Integers of 0 or more: the class of each pixel.
    values : sequence of int, optional
        The classes. None: the values there are, but for `unlabelled`.
    certainty : float
        The probability of the class that a pixel is labelled with; the others share the rest.
        Less lets the image and the neighbours change more.
    unlabelled : int or None
        The value of pixels of which nothing is known: there, as where the value is not among
        `values`, all classes have the same probability.

    Returns
    -------
    probabilities : ndarray
        float32 ``(classes, *shape of the labels)``, adding up to one at every pixel.
    values : tuple of int
        The label value of each class, in rising order.

    Raises
    ------
    ValueError
        If the labels are no integers of 0 or more, are of fewer than two classes or of more than
        255, or the certainty is not above that of a guess.
    """
    (painted,) = as_values([labels])
    chosen = _values(painted, values, unlabelled)
    guess = 1 / len(chosen)
    if not guess < certainty <= 1:
        raise ValueError(
            f"certainty is {certainty}; give a number above {guess:.3g}, which is a guess among "
            f"{len(chosen)} classes, and up to 1."
        )
    indices = to_indices(painted, chosen)
    rest = np.float32((1 - certainty) / (len(chosen) - 1))
    probabilities = np.full((len(chosen), *painted.shape), rest, np.float32)
    for position, soft in enumerate(probabilities):
        soft[indices == position] = certainty
        soft[indices < 0] = guess
    return probabilities, chosen


def _values(
    painted: NDArray[Any], values: Sequence[int] | None, unlabelled: int | None
) -> tuple[int, ...]:
    """The classes, in rising order."""
    wanted = count(painted)[0] if values is None else values
    chosen = tuple(sorted({int(v) for v in wanted} - {unlabelled}))
    if len(chosen) < 2:
        raise LabelsError(
            f"The labels are of {len(chosen)} class{'es' * (not chosen)}, and there is nothing to "
            "choose between: give labels of two classes or more, or name all classes there can be "
            "with values."
        )
    if len(chosen) > MOST:
        raise LabelsError(
            f"The labels hold {len(chosen)} values, and probabilities are made for {MOST} classes "
            "at most: where each value is an object, take all objects as one class, such as "
            "labels > 0."
        )
    return chosen
