"""Anatomical letters at the edges of the canvas: R L A P S I."""

from collections.abc import Mapping
from weakref import ref

import numpy as np
from napari.components import ViewerModel
from napari.components.overlays import TextOverlay

from napari_segkit.images.types import AnyArray

LETTERS = {"X": "LR", "Y": "PA", "Z": "IS"}  # towards lower and higher world coordinates
SIDES = {
    "top": "top_center",
    "bottom": "bottom_center",
    "left": "middle_left",
    "right": "middle_right",
}
NOTE = "note"
POSITIONS = SIDES | {NOTE: "bottom_left"}
LETTER_SIZE, NOTE_SIZE = 14, 9


class AnatomicalLetters:
    """Shows where the edges of the canvas point, and a note on how volumes are placed."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = ref(viewer)
        self._axes: Mapping[int, str] = {}
        dims, camera = viewer.dims.events, viewer.scene.camera.events
        for emitter in (dims.order, dims.ndisplay, camera.orientation, camera.angles):
            emitter.connect(self._update)

    def show(self, axes: Mapping[int, str], note: str) -> None:
        """Show letters for these anatomical axes, by dimension of the viewer; {}: none."""
        if axes or self._axes:
            self._axes = axes
            self._set_text(NOTE, note)
            self._update()

    def _update(self) -> None:
        viewer = self._viewer()
        if viewer is not None and (self._axes or "segkit_top" in viewer.canvas.overlays):
            for side, letter in edge_letters(viewer, self._axes).items():
                self._set_text(side, letter)

    def _set_text(self, name: str, text: str) -> None:
        viewer, key = self._viewer(), f"segkit_{name}"
        if viewer is None:
            return
        overlays = viewer.canvas.overlays
        if key not in overlays:
            size = NOTE_SIZE if name == NOTE else LETTER_SIZE
            overlays[key] = TextOverlay(position=POSITIONS[name], font_size=size)
        overlays[key].text, overlays[key].visible = text, bool(text)


def edge_letters(viewer: ViewerModel, axes: Mapping[int, str]) -> dict[str, str]:
    """The letter at each side of the canvas; "" along an axis that is not anatomical."""
    up, right = _canvas_axes(viewer)
    directions = {"top": up, "bottom": -up, "left": -right, "right": right}
    return {side: _letter(viewer, axes, d) for side, d in directions.items()}


def _canvas_axes(viewer: ViewerModel) -> tuple[AnyArray, AnyArray]:
    """Directions of the canvas, up and right, in the displayed dimensions."""
    camera = viewer.scene.camera
    if viewer.dims.ndisplay == 2:
        vertical, horizontal = map(str, camera.orientation2d)
        upwards, rightwards = vertical == "up", horizontal == "right"
        return np.array([1 if upwards else -1, 0]), np.array([0, 1 if rightwards else -1])
    up = np.asarray(camera.up_direction)
    mirrored = str(camera.handedness) == "left"
    right = np.cross(camera.view_direction, up)
    return up, -right if mirrored else right


def _letter(viewer: ViewerModel, axes: Mapping[int, str], direction: AnyArray) -> str:
    steepest = int(np.abs(direction).argmax())
    axis = axes.get(viewer.dims.displayed[steepest])
    return LETTERS[axis][int(direction[steepest] > 0)] if axis else ""
