"""Plots of a training: its losses, and its scores on what was held out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_segkit._qt.widgets.plot import Plot

EACH, MEAN, HELD_OUT = "#8da2b8", "#f28e2b", "#4e9a5f"
BEST = pyqtgraph.mkPen("#999999", width=1, style=Qt.PenStyle.DashLine)


class TrainingPlot(Plot):
    """Curves over the steps of a training, and a dashed line at its best validation."""

    def __init__(self, theme: str, left: str) -> None:
        super().__init__(theme, left, "step")
        self._best = pyqtgraph.InfiniteLine(pen=BEST)
        self._best.hide()
        self.addItem(self._best, ignoreBounds=True)

    @property
    def best_step(self) -> int | None:
        """Where the dashed line is."""
        return int(self._best.value()) if self._best.isVisible() else None

    def mark_best(self, step: int | None) -> None:
        """Draw the dashed line at a step; None: nowhere."""
        self._best.setVisible(step is not None)
        if step is not None:
            self._best.setValue(step)

    def _add_curve(self, color: str, width: int, *, dots: bool = False) -> pyqtgraph.PlotDataItem:
        symbol = {"symbol": "o", "symbolSize": 4, "symbolBrush": color, "symbolPen": None}
        pen = pyqtgraph.mkPen(color, width=width)
        return self.plot(pen=pen, **symbol) if dots else self.plot(pen=pen)


class LossPlot(TrainingPlot):
    """Loss per step (thin), its running mean (thick), and the loss of each validation (dots)."""

    def __init__(self, theme: str) -> None:
        super().__init__(theme, "loss")
        self._each = self._add_curve(EACH, 1)
        self._mean = self._add_curve(MEAN, 2)
        self._held_out = self._add_curve(HELD_OUT, 2, dots=True)

    def set_data(self, steps: Sequence[int], losses: Sequence[float]) -> None:
        """Show the loss of each step."""
        self._each.setData(steps, losses)
        self._mean.setData(steps, running_mean(losses))

    def set_validation(self, steps: Sequence[int], losses: Sequence[float]) -> None:
        """Show the loss of each validation."""
        self._held_out.setData(steps, losses)


class ScorePlot(TrainingPlot):
    """A curve from 0 to 1 for each score."""

    def __init__(self, theme: str, left: str) -> None:
        super().__init__(theme, left)
        self.setYRange(0, 1, padding=0.02)
        self._curves: dict[str, pyqtgraph.PlotDataItem] = {}

    def set_data(
        self, steps: Sequence[int], scores: Mapping[str, tuple[str, Sequence[float]]], main: str
    ) -> None:
        """Show scores by name, each with its colour; the `main` one is thick."""
        for name in self._curves.keys() - scores.keys():
            self.removeItem(self._curves.pop(name))
        for name, (color, values) in scores.items():
            if name not in self._curves:
                self._curves[name] = self._add_curve(color, 3 if name == main else 1, dots=True)
            known = np.isfinite(values)  # pyqtgraph warns of curves that are all NaN
            self._curves[name].setData(np.asarray(steps)[known], np.asarray(values)[known])


def running_mean(values: Sequence[float], length: int = 10) -> NDArray[np.float64]:
    """Mean of each value and up to `length` - 1 values before it."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - length, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
