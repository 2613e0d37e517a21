"""How uncertain a prediction is, from its probabilities."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from napari_segkit.config.predict import Uncertainty

from .plan import TilePlan


def uncertainty_of(probabilities: NDArray[np.float32], how: Uncertainty) -> NDArray[np.float32]:
    """Uncertainty from 0 to 1, ``spatial``, of probabilities ``(classes, *spatial)``."""
    if len(probabilities) == 1:
        return np.zeros(probabilities.shape[1:], np.float32)
    if how == "margin":
        second, first = np.partition(probabilities, -2, axis=0)[-2:]
        return (1 - (first - second)).clip(0, 1)
    entropy = np.zeros(probabilities.shape[1:], np.float32)
    for each in probabilities:
        entropy += entr(each)
    return (entropy / np.float32(np.log(len(probabilities)))).clip(0, 1)


def uncertainty_in(
    plan: TilePlan,
    frame: dict[str, int],
    box: Sequence[slice],
    probabilities: NDArray[np.float32],
    how: Uncertainty,
) -> NDArray[np.float32]:
    """Uncertainty of a box of a frame: 0 where the image is NaN, or where nothing is asked for."""
    values = uncertainty_of(probabilities, how)
    for left_out in (plan.missing(frame, box), plan.outside(frame, box)):
        if left_out is not None:
            values[left_out] = 0
    return values


class FrameUncertainty:
    """Uncertainty of predicted objects, in the shape of their labels; None if not asked for."""

    def __init__(self, plan: TilePlan) -> None:
        self._plan, self._how = plan, plan.settings.uncertainty
        shape = plan.original.label_shape
        self.values = np.zeros(shape, np.float32) if self._how else None

    def add(
        self, frame: dict[str, int], class_probabilities: Callable[[], NDArray[np.float32]]
    ) -> None:
        """Add a frame; its probabilities are computed if they are needed."""
        if self._how and self.values is not None:
            whole = [slice(0, n) for n in self._plan.frame_shape]
            values = uncertainty_in(self._plan, frame, whole, class_probabilities(), self._how)
            self._plan.original.write(self.values, frame, values)
