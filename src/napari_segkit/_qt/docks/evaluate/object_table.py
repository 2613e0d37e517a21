"""Table of all objects with what became of them, linked with the objects on the canvas."""

from collections.abc import Sequence

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels

from napari_segkit._qt.layers.canvas_clicks import CLICK_MODES, CanvasClicks
from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data
from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.layers.move_view import show_box
from napari_segkit._qt.widgets.frame_table import NO_ROW, FrameTable
from napari_segkit.evaluation.error_map import OBJECT_LEGEND
from napari_segkit.evaluation.object_errors import ObjectErrors
from napari_segkit.images.axes_image import full_resolution

from .worst_places import with_surroundings

OBJECTS_TIP = (
    "<p>Every object, with the one it is matched to. Click a row to move the view there and select "
    "the label; click or pick an object on the canvas to select its row. Of an object without a "
    "match, the IoU is the highest with any object.</p>"
)
HEADERS = {
    "status": "status",
    "truth": "truth",
    "prediction": "pred.",
    "iou": "IoU",
    "truth_pixels": "truth px",
    "predicted_pixels": "pred. px",
}
WIDTHS = (92, 46, 46, 50, 60, 60)  # of columns


class ObjectTable(FrameTable):
    """Objects of truth and prediction, a row for each match and each object without one."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__(OBJECTS_TIP, WIDTHS)
        self._viewer = viewer
        self._objects: ObjectErrors | None = None
        self._layers: dict[str, Labels] = {}  # column of its ids -> layer
        self._picks = Listener(self, self._on_picked)
        self._is_linked = self._is_choosing = False
        self.chosen.connect(self._on_chosen)
        self.clicks = CanvasClicks(viewer, self)
        self.clicks.clicked.connect(self.select_at)

    def show_objects(
        self, objects: ObjectErrors, prediction: Labels, truth: Labels, *, linked: bool
    ) -> None:
        """List the objects of two layers; `linked`: their ids are the values of these layers."""
        self._objects = objects
        self._layers = {"truth": truth, "prediction": prediction}
        layers = self._layers.values() if linked else ()
        self._picks.listen(e for x in layers for e in emitters_of(x, "selected_label"))
        colors = {c.name: c.color for c in OBJECT_LEGEND}
        self.show_frame(objects.table[[*HEADERS]].rename(columns=HEADERS), colors)
        self._is_linked = linked

    def select_object(self, column: str, number: int) -> bool:
        """Select the row of an object of the truth or the prediction; whether there is one."""
        ids = self.rows.frame[HEADERS[column]].to_numpy() if number else np.zeros(0)
        rows = np.flatnonzero(ids == number)
        self.select(int(rows[0]) if len(rows) else NO_ROW)
        return len(rows) > 0

    def _on_chosen(self, row: int) -> None:
        """Select the labels of a row, and move the view to them."""
        truth = self._layers.get("truth")
        if self._objects is None or truth not in self._viewer.layers:
            return
        self._is_choosing = True
        for column, layer in self._layers.items() if self._is_linked else ():
            number = int(self.rows.frame[HEADERS[column]].iloc[row])
            if number and layer.mode in CLICK_MODES:  # else it is the label of the brush
                layer.selected_label = number
        self._is_choosing = False
        show_box(self._viewer, truth, with_surroundings(self._objects.box(row)))

    def select_at(self, position: Sequence[float], displayed: Sequence[int]) -> None:
        """Select the row of the object at a position, of the selected layer if both have one."""
        if len(displayed) != 2 or not self._is_linked or not self.isVisible():
            return
        active = self._viewer.layers.selection.active
        for column, layer in sorted(self._layers.items(), key=lambda each: each[1] is not active):
            number = _value_at(layer, position, displayed)
            if number and self.select_object(column, number):
                return

    def _on_picked(self) -> None:
        """Select the row of the label that was picked in the layer on top of the selection."""
        active = self._viewer.layers.selection.active
        for column, layer in self._layers.items():
            if layer is active and not self._is_choosing:
                self.select_object(column, layer.selected_label)


def _value_at(layer: Labels, position: Sequence[float], displayed: Sequence[int]) -> int:
    """The label at a position in the world, also where the layer is hidden; 0 outside."""
    labels = full_resolution(layer)
    pixel = np.rint(canvas_to_data(layer, position, displayed)).astype(int)
    is_inside = all(0 <= i < n for i, n in zip(pixel, labels.shape, strict=True))
    return int(labels[tuple(pixel.tolist())]) if is_inside else 0
