"""Where in a layer's data a place on the canvas lies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def place_in(
    layer: Any, position: Sequence[float], displayed: Sequence[int]
) -> NDArray[np.float64]:
    """Where a position lies in the slice of a layer that napari draws.

    A layer that lies oblique in the world is drawn without what turns it out of the slice:
    napari's ``world_to_data`` would give a pixel of another slice than the one on screen.

    Parameters
    ----------
    layer : napari layer
        It may have fewer dimensions than the viewer.
    position : sequence of float
        In the world, a number for each of the viewer's dimensions.
    displayed : sequence of int
        The viewer's dimensions that are shown.

    Returns
    -------
    ndarray
        In pixels, a number for each of the layer's dimensions.
    """
    spare = len(position) - layer.ndim
    world = np.asarray(position, float)[spare:]
    shown = [d - spare for d in displayed if d >= spare]
    hidden = [d for d in range(layer.ndim) if d not in shown]
    corner = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    forth = np.stack([layer.data_to_world(e) - corner for e in np.eye(layer.ndim)], axis=1)
    back = np.linalg.inv(forth)
    place = np.zeros(layer.ndim)
    place[shown] = np.linalg.solve(forth[np.ix_(shown, shown)], (world - corner)[shown])
    place[hidden] = back[np.ix_(hidden, hidden)] @ world[hidden] - (back @ corner)[hidden]
    return place
