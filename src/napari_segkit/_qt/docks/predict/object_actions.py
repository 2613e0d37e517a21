"""What can be made of objects at a press: boxes, figures, napari's table of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_segkit._qt.layers.box_layers import write_boxes
from napari_segkit._qt.session.background import LatestCall

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.instances.results import Objects

TABLE = "napari", "Features table widget"


class ObjectActions(QWidget):
    """Three buttons for the objects of one layer.

    Parameters
    ----------
    session : Session
        In whose viewer they work.
    layer : callable
        Gives the Labels layer of the objects, None where there is none.

    Attributes
    ----------
    said : Signal(str)
        A sentence about what has happened.
    """

    said = Signal(str)

    def __init__(self, session: "Session", layer: Callable[[], Any]) -> None:
        super().__init__()
        self.session, self._layer = session, layer
        self.boxes_button = QPushButton("Boxes")
        self.measure_button = QPushButton("Measure")
        self.table_button = QPushButton("Table")
        self._measurer = LatestCall(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for button, pressed, tip in (
            (self.boxes_button, self.draw_boxes, "A Shapes layer with a box around each object."),
            (
                self.measure_button,
                self.measure,
                "Add centre, axes, shape and more to the layer's features. "
                "After another prediction, measure again.",
            ),
            (
                self.table_button,
                self.open_table,
                "napari's table of the layer's features: a row for each object.",
            ),
        ):
            button.setToolTip(tip)
            button.clicked.connect(pressed)
            row.addWidget(button)
        self._measurer.returned.connect(self._on_measured)
        self._measurer.errored.connect(self._on_error)

    @property
    def objects(self) -> "Objects | None":
        """The objects of the layer."""
        layer = self._layer()
        return None if layer is None else self.session.objects_of(layer)

    def draw_boxes(self) -> None:
        """Add or update the boxes of the objects."""
        if self.objects is None:
            return
        boxes = write_boxes(self.session.viewer, self._layer(), self.objects)
        self.said.emit(f"{len(boxes.data):,} boxes in the layer {boxes.name!r}.")

    def measure(self) -> None:
        """Measure the objects in the background."""
        if self.objects is not None:
            self._measurer.ask(_measured, self._layer(), self.objects)

    def open_table(self) -> None:
        """Open napari's features table below the canvas, on the layer."""
        viewer, layer = self.session.viewer, self._layer()
        if layer is None:
            return
        viewer.layers.selection.active = layer
        docked = set(viewer.window.dock_widgets.values())
        dock, table = viewer.window.add_plugin_dock_widget(*TABLE)
        if table not in docked:
            main = viewer.window.main_menu.window()
            main.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        dock.show()
        dock.raise_()

    def _on_measured(self, measured: Any) -> None:
        layer, objects, table = measured
        if layer is not self._layer() or objects is not self.objects:
            return
        shown = layer.features
        if list(shown.get("index", ())) == list(table["index"]):
            fresh = {c: table[c].to_numpy() for c in table if c not in shown}
            table = shown.assign(**fresh)  # columns that a person has added stay
        layer.features = table
        self.said.emit(f"Measured {len(table):,} objects, in the features of {layer.name!r}.")

    def _on_error(self, error: Exception) -> None:
        self.said.emit(str(error) or type(error).__name__)


def _measured(layer: Any, objects: "Objects") -> tuple[Any, "Objects", Any]:
    """Figures of objects; slow where there are many."""
    return layer, objects, objects.measured()
