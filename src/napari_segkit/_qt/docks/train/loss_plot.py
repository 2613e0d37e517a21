"""Plot of training losses."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from napari.utils.theme import get_theme
from numpy.typing import NDArray

MARGINS = 6, 8, 8, 6  # pyqtgraph draws axis labels 5 pixels outside their axis


class LossPlot(pyqtgraph.PlotWidget):
    """Loss per step (thin) and its running mean (thick)."""

    def __init__(self, theme: str) -> None:
        super().__init__(background=None)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        for side, text in (("left", "loss"), ("bottom", "step")):
            self.setLabel(side, text)
            self.getAxis(side).enableAutoSIPrefix(False)  # 0.0002, not 0.2 of "loss (x0.001)"
        self.getPlotItem().layout.setContentsMargins(*MARGINS)
        self._each = self.plot(pen=pyqtgraph.mkPen("#8da2b8", width=1))
        self._mean = self.plot(pen=pyqtgraph.mkPen("#f28e2b", width=2))
        self.set_theme(theme)

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        color = get_theme(theme).text.as_rgb_tuple()[:3]
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(color)
            self.getAxis(side).setTextPen(color)

    def set_data(self, steps: Sequence[int], losses: Sequence[float]) -> None:
        """Show the loss of each step."""
        self._each.setData(steps, losses)
        self._mean.setData(steps, running_mean(losses))


def running_mean(values: Sequence[float], length: int = 10) -> NDArray[np.float64]:
    """Mean of each value and up to `length` - 1 values before it."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - length, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
