"""Curves of the metrics of objects over the IoU that a match needs."""

from collections.abc import Mapping

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt

from napari_segkit._qt.widgets.plot import Plot

CURVES = {"f1": ("F1", "#f28e2b", 3), "ap": ("AP", "#4e79a7", 3),
          "precision": ("precision", "#59a14f", 1), "recall": ("recall", "#b07aa1", 1)}  # fmt: skip
STALE = "#808080"


LEGEND = " &nbsp; ".join(
    f'<span style="color: {color}">●</span> {text}' for text, color, _ in CURVES.values()
)


class ThresholdPlot(Plot):
    """F1 and AP (thick), precision and recall (thin) for each IoU threshold."""

    def __init__(self, theme: str) -> None:
        super().__init__(theme, "", "IoU threshold")
        self.setYRange(0, 1, padding=0.02)
        self.curves = {name: self.plot(symbol="o", symbolSize=4) for name in CURVES}

    def show_metrics(self, metrics: Mapping[str, Mapping[float, float]], *, stale: bool) -> None:
        """Show the metrics by threshold; outdated ones are grey and dashed."""
        style = Qt.PenStyle.DashLine if stale else Qt.PenStyle.SolidLine
        for name, (_, color, width) in CURVES.items():
            own = STALE if stale else color
            values = metrics[name]
            known = np.isfinite(list(values.values()))  # pyqtgraph warns of curves that are all NaN
            curve = self.curves[name]
            curve.setData(np.array([*values])[known], np.array([*values.values()])[known])
            curve.setPen(pyqtgraph.mkPen(own, width=width, style=style))
            curve.setSymbolBrush(own)
            curve.setSymbolPen(None)
