"""Rows of measurements and their pixels on the canvas, linked both ways."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, Signal

from napari_segkit._qt.layers.canvas_clicks import CLICK_MODES, CanvasClicks
from napari_segkit._qt.layers.canvas_coordinates import canvas_to_data
from napari_segkit._qt.layers.move_view import show_box, show_slice
from napari_segkit._qt.session.session import Session
from napari_segkit.images.axes_image import full_resolution

if TYPE_CHECKING:
    from .layer_measurement import LayerMeasurement


class CanvasLink(QObject):
    """Moves the canvas to the pixels of a row, and finds the row of a pixel that is clicked."""

    picked = Signal(int)  # row

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.result: LayerMeasurement | None = None
        self.clicks = CanvasClicks(session.viewer, self)
        self.clicks.clicked.connect(self._on_clicked)

    def show(self, row: int) -> None:
        """Move to the pixels of a row, of a class to their slice; selects the label.

        Unless the layer is being painted on, whose label is the brush's.
        """
        result = self.result
        layer = None if result is None else self.layers()[result.source(row)]
        if result is None or layer is None or (box := result.box(row)) is None:
            return
        move = show_slice if result.config.by == "class" else show_box
        move(self._session.viewer, layer, box)
        if layer.mode in CLICK_MODES and result.config.by != "component":
            layer.selected_label = result.value(row)

    def layers(self) -> list[Labels | None]:
        """The layers that were measured; None for those that are gone."""
        by_id = {str(layer.unique_id): layer for layer in self._session.viewer.layers}
        return [by_id.get(own) for own, *_ in self.result.inputs.layers] if self.result else []

    def _on_clicked(self, position: Sequence[float], displayed: Sequence[int]) -> None:
        """Find the row of the topmost visible label at a position."""
        if self.result is None or len(displayed) != 2:
            return
        order = list(self._session.viewer.layers)
        layers = [(n, x) for n, x in enumerate(self.layers()) if x is not None and x.visible]
        for number, layer in sorted(layers, key=lambda pair: -order.index(pair[1])):
            row = self._row_at(number, layer, position, displayed)
            if row is not None:
                self.picked.emit(row)
                return

    def _row_at(
        self, number: int, layer: Labels, position: Sequence[float], displayed: Sequence[int]
    ) -> int | None:
        result, components = self.result, self.result.measured.components if self.result else ()
        values: Any = components[number] if components else full_resolution(layer)
        index = np.rint(canvas_to_data(layer, position, displayed)).astype(int)
        if result is None or ((index < 0) | (index >= values.shape)).any():
            return None
        pixel = tuple(index.tolist())
        return result.row_at(number, pixel, int(np.asarray(values[pixel])))
