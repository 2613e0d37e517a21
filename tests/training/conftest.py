"""A scene of two squares, and trainings on it."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def scene():
    """An image of 64 x 64 pixels; 0 is background, two squares are 1 and 2."""
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    labels = np.zeros((64, 64), np.uint8)
    labels[6:26, 6:26], labels[33:60, 13:53] = 1, 2
    return image + 3.0 * (labels > 0), labels
