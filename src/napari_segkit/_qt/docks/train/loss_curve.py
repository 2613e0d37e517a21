"""Loss curve of a training."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QSize

MARGINS = 6, 8, 8, 6  # pyqtgraph draws axis labels 5 pixels outside their axis


class LossCurve(pyqtgraph.PlotWidget):
    """Loss per step (thin) and its running mean (thick); hidden while empty."""

    def __init__(self, theme: str) -> None:
        super().__init__(background=None)
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.setFixedHeight(150)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setToolTip("Training loss of each step (thin) and its running mean (thick).")
        for side, text in (("left", "loss"), ("bottom", "step")):
            self.setLabel(side, text)
            self.getAxis(side).enableAutoSIPrefix(False)  # 0.0002, not 0.2 of "loss (x0.001)"
        self.getPlotItem().layout.setContentsMargins(*MARGINS)
        self._each = self.plot(pen=pyqtgraph.mkPen("#8da2b8", width=1))
        self._mean = self.plot(pen=pyqtgraph.mkPen("#f28e2b", width=2))
        self.set_theme(theme)
        self._redraw()

    def sizeHint(self) -> QSize:
        """Small width, so that the curve does not widen the dock."""
        return QSize(200, self.height())

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        color = get_theme(theme).text.as_rgb_tuple()[:3]
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(color)
            self.getAxis(side).setTextPen(color)

    def set_losses(self, losses: Sequence[float]) -> None:
        """Show a full history, from step 1."""
        self.steps = list(range(1, len(losses) + 1))
        self.losses = list(losses)
        self._redraw()

    def add(self, step: int, loss: float) -> None:
        """Append the loss of one step; steps may be skipped."""
        self.steps.append(step)
        self.losses.append(loss)
        self._redraw()

    def _redraw(self) -> None:
        self.setVisible(bool(self.losses))
        self._each.setData(self.steps, self.losses)
        self._mean.setData(self.steps, running_mean(self.losses))


def running_mean(values: Sequence[float], length: int = 10) -> NDArray[np.float64]:
    """Mean of each value and up to `length` - 1 values before it."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - length, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
