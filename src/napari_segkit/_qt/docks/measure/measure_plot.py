"""Plot of measurements: curves of classes or objects, or a histogram."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Signal

from napari_segkit._qt.widgets.plot import Plot

from .series import Curve

BAR, MARK = "#8da2b8", "#f28e2b"
DOT, RING = 6, 14  # pixels
MAX_BINS = 50


class MeasurePlot(Plot):
    """Curves with a point for each row, or a histogram; a ring marks the chosen row."""

    chosen = Signal(int)  # row of the clicked point

    def __init__(self, theme: str) -> None:
        super().__init__(theme, "", "")
        self.curves: Sequence[Curve] = ()
        self._ring = pyqtgraph.ScatterPlotItem(
            size=RING, pen=pyqtgraph.mkPen(MARK, width=2), brush=None
        )
        self._line = pyqtgraph.InfiniteLine(pen=pyqtgraph.mkPen(MARK, width=2))

    def show_curves(
        self, curves: Sequence[Curve], left: str, bottom: str, names: Sequence[str], lines: bool
    ) -> None:
        """Show curves, with `lines` between their points; `names` are those of the ticks."""
        self._start(left, bottom)
        self.curves = curves
        for curve in curves:
            pen = pyqtgraph.mkPen(curve.color, width=2) if lines else None
            item = self.plot(
                curve.x, curve.y, pen=pen, symbol="o", symbolSize=DOT, symbolPen=None,
                symbolBrush=curve.color, data=curve.rows,
            )  # fmt: skip
            item.sigPointsClicked.connect(self._on_points)
        ticks = [list(enumerate(names))] if names else None
        self.getAxis("bottom").setTicks(ticks)
        self.addItem(self._ring, ignoreBounds=True)

    def show_histogram(self, values: NDArray[np.float64], bottom: str) -> None:
        """Show how often values occur."""
        self._start("rows", bottom)
        known = values[np.isfinite(values)]
        if not len(known):
            return
        bins = min(MAX_BINS, max(1, int(np.sqrt(len(known)))))
        counts, edges = np.histogram(known, bins)
        bars = pyqtgraph.BarGraphItem(
            x0=edges[:-1], x1=edges[1:], height=counts, brush=BAR, pen=None
        )
        self.addItem(bars)
        self.addItem(self._line, ignoreBounds=True)

    def mark(self, row: int | None, value: float) -> None:
        """Mark a row of the table, whose value is that of the plotted column; None: none."""
        points = [
            (float(x), float(y))
            for c in self.curves
            for x, y in zip(c.x[c.rows == row], c.y[c.rows == row], strict=True)
        ]
        self._ring.setData(pos=points or np.zeros((0, 2)))
        self._line.setVisible(row is not None and bool(np.isfinite(value)))
        self._line.setValue(value if np.isfinite(value) else 0.0)

    def _start(self, left: str, bottom: str) -> None:
        self.clear()
        self.curves = ()
        self.set_titles(left, bottom)
        self.getAxis("bottom").setTicks(None)

    def _on_points(self, _item: Any, points: Sequence[Any], *_: Any) -> None:
        if len(points):
            self.chosen.emit(int(points[0].data()))
