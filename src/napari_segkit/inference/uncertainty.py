"""How uncertain a prediction is, from its probabilities."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from napari_segkit.config.predict import Uncertainty


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
