"""Conversion of canvas positions to data coordinates."""

from collections.abc import Sequence

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray


def canvas_to_data(
    layer: Layer, position: Sequence[float], displayed: Sequence[int]
) -> NDArray[np.float64]:
    """Data coordinates of a world position in the slice of a layer that napari draws.

    napari draws an oblique layer without the rotation out of the slice plane; its own
    ``world_to_data`` would give a pixel of another slice than the one on screen. `position` has
    one coordinate per viewer dimension, `displayed` the viewer's displayed dimensions.
    """
    leading = len(position) - layer.ndim
    world = np.asarray(position, float)[leading:]
    shown = [d - leading for d in displayed if d >= leading]
    hidden = [d for d in range(layer.ndim) if d not in shown]
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    matrix = np.stack([layer.data_to_world(e) - origin for e in np.eye(layer.ndim)], axis=1)
    inverse = np.linalg.inv(matrix)
    point = np.zeros(layer.ndim)
    point[shown] = np.linalg.solve(matrix[np.ix_(shown, shown)], (world - origin)[shown])
    point[hidden] = inverse[np.ix_(hidden, hidden)] @ world[hidden] - (inverse @ origin)[hidden]
    return point
