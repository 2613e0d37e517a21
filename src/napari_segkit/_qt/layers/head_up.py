"""The head upwards on the canvas."""

from collections.abc import Callable, Mapping
from weakref import ref

import numpy as np
from napari.components import Dims, ViewerModel
from napari.settings import get_settings

HEAD_UP = ("towards", "up", "right")  # not mirrored: the right of the body is on the right
SIDEWAYS = ["X", "Z"]  # as rolling shows the coronal plane


class HeadUp:
    """Shows the coronal plane with the head up when the dimensions are rolled.

    Rolling goes on as if it had been shown as napari does. A transposed plane stays as it is.
    """

    def __init__(self, viewer: ViewerModel, axes: Callable[[], Mapping[int, str]]) -> None:
        self._viewer, self._axes = ref(viewer), axes
        self._given = self._shown = viewer.dims.order
        viewer.dims.events.order.connect(self._on_order)

    def _on_order(self) -> None:
        viewer = self._viewer()
        if viewer is None or viewer.dims.order == self._shown:
            return
        dims = viewer.dims
        is_rolled = dims.order == _rolled(dims, self._shown)
        order = _rolled(dims, self._given) if is_rolled else dims.order
        self._given = self._shown = order
        axes = self._axes()
        if is_rolled and [axes.get(i) for i in order[-2:]] == SIDEWAYS:
            self._shown = (*order[:-2], order[-1], order[-2])
        dims.order = self._shown


def turn_head_up(viewer: ViewerModel) -> None:
    """Let the world's Y and Z grow upwards on the canvas."""
    viewer.scene.camera.orientation = HEAD_UP


def has_default_view(viewer: ViewerModel) -> bool:
    """Whether the camera looks as the person's napari does in any new window."""
    settings = get_settings().application
    return tuple(viewer.scene.camera.orientation) == (
        settings.depth_axis_orientation,
        settings.vertical_axis_orientation,
        settings.horizontal_axis_orientation,
    )


def _rolled(dims: Dims, order: tuple[int, ...]) -> tuple[int, ...]:
    """What napari's roll makes of an order."""
    if len(order) != dims.ndim:
        return order
    rolled = np.array(order)
    moves = (np.array(dims.rollable) & (np.array(dims.nsteps) > 1))[rolled]
    rolled[moves] = np.roll(rolled[moves], 1)
    return tuple(map(int, rolled))
