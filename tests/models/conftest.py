"""An image with its truth that every semantic method can learn."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ball_scene():
    """Function that draws a bright ball in noise."""
    return _ball_scene


def _ball_scene(ndim, channels=1):
    """Image, dense truth (1 outside, 2 inside), and scribbles on a fifth of it (0 elsewhere)."""
    length = {2: 64, 3: 16}[ndim]
    random = np.random.default_rng(0)
    positions = np.indices((length,) * ndim) - (length - 1) / 2
    truth = np.where((positions**2).sum(axis=0) < (0.35 * length) ** 2, 2, 1).astype(np.uint8)
    image = random.normal(100 * truth, 15)
    image = np.stack([image * (c + 1) for c in range(channels)], -1) if channels > 1 else image
    scribbles = np.where(random.random(truth.shape) < 0.2, truth, 0).astype(np.uint8)
    return image, truth, scribbles
