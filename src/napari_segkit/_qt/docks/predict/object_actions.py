"""Buttons for the objects of a layer: boxes, measurements, features table."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from napari.layers import Labels
from pandas import DataFrame
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.box_layers import write_boxes
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.instances.results import Objects

Measured: TypeAlias = tuple[Labels, Objects, DataFrame]
FEATURES_TABLE = "napari", "Features table widget"
BOXES_TIP = "Add a Shapes layer with a box around each object."
MEASURE_TIP = (
    "Add centroid, axis lengths, shape and other measurements to the features of the layer. "
    "Measure again after each prediction."
)
TABLE_TIP = "Open the features table of napari: one row for each object."


class ObjectActions(QWidget):
    """Buttons that act on the objects of the layer that `layer()` returns."""

    message = Signal(str)

    def __init__(self, session: Session, layer: Callable[[], Labels | None]) -> None:
        super().__init__()
        self.session, self._current_layer = session, layer
        self.boxes_button = QPushButton("Boxes", toolTip=BOXES_TIP)
        self.measure_button = QPushButton("Measure", toolTip=MEASURE_TIP)
        self.table_button = QPushButton("Table", toolTip=TABLE_TIP)
        self._background = LatestCall(self)
        stack(self, (self.boxes_button, self.measure_button, self.table_button))
        self.boxes_button.clicked.connect(self.draw_boxes)
        self.measure_button.clicked.connect(self.measure)
        self.table_button.clicked.connect(self.open_table)
        self._background.returned.connect(self._on_measured)
        self._background.errored.connect(self._on_error)

    @property
    def objects(self) -> Objects | None:
        """Objects of the layer, if any."""
        layer = self._current_layer()
        return None if layer is None else self.session.objects_of(layer)

    def draw_boxes(self) -> None:
        layer, objects = self._current_layer(), self.objects
        if layer is None or objects is None:
            return
        boxes = write_boxes(self.session.viewer, layer, objects)
        self.message.emit(f"{len(boxes.data):,} boxes written to the layer {boxes.name!r}.")

    def measure(self) -> None:
        """Measure the objects in the background."""
        layer, objects = self._current_layer(), self.objects
        if layer is not None and objects is not None:
            self._background.submit(partial(_measure, layer, objects))

    def open_table(self) -> None:
        """Open the features table of napari below the canvas, for the layer."""
        viewer, layer = self.session.viewer, self._current_layer()
        if layer is None:
            return
        viewer.layers.selection.active = layer
        docked = set(viewer.window.dock_widgets.values())
        dock, table = viewer.window.add_plugin_dock_widget(*FEATURES_TABLE)
        if table not in docked:
            main = viewer.window.main_menu.window()
            main.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        dock.show()
        dock.raise_()

    def _on_measured(self, result: Measured) -> None:
        layer, objects, table = result
        if layer != self._current_layer() or objects is not self.objects:
            return
        features = layer.features
        if list(features.get("index", ())) == list(table["index"]):
            new = {c: table[c].to_numpy() for c in table if c not in features}
            table = features.assign(**new)  # keep columns that the user added
        layer.features = table
        self.message.emit(f"Measured {len(table):,} objects; see the features of {layer.name!r}.")

    def _on_error(self, error: BaseException) -> None:
        self.message.emit(error_text(error, "Measure"))


def _measure(layer: Labels, objects: Objects) -> Measured:
    """Measure objects; slow if there are many."""
    return layer, objects, objects.measured()
