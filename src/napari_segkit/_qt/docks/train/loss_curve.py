"""The loss curve of a training."""

from collections.abc import Sequence

import numpy as np
import pyqtgraph
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import QSize


class LossCurve(pyqtgraph.PlotWidget):
    """Loss against step, each one thin, their running mean thick; hidden while there is none.

    Parameters
    ----------
    theme : str
        napari's theme, such as "dark".
    """

    def __init__(self, theme: str) -> None:
        super().__init__(background=None)
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.setFixedHeight(150)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setLabel("left", "loss")
        self.setLabel("bottom", "step")
        self.getAxis("left").setWidth(48)
        self.getPlotItem().layout.setContentsMargins(0, 8, 8, 4)
        self._each = self.plot(pen=pyqtgraph.mkPen("#8da2b8", width=1))
        self._mean = self.plot(pen=pyqtgraph.mkPen("#f28e2b", width=2))
        self.set_theme(theme)
        self._redraw()

    def sizeHint(self) -> QSize:
        """As narrow as the dock wants to be."""
        return QSize(200, self.height())

    def set_theme(self, theme: str) -> None:
        """Draw axes and text in the colour of a theme's text."""
        color = get_theme(theme).text.as_rgb_tuple()[:3]
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(color)
            self.getAxis(side).setTextPen(color)

    def set_losses(self, losses: Sequence[float]) -> None:
        """Show a whole history, the loss of each step from the first."""
        self.steps = list(range(1, len(losses) + 1))
        self.losses = list(losses)
        self._redraw()

    def add(self, step: int, loss: float) -> None:
        """Add the loss of one step; steps may be left out."""
        self.steps.append(step)
        self.losses.append(loss)
        self._redraw()

    def _redraw(self) -> None:
        self.setVisible(bool(self.losses))
        self._each.setData(self.steps, self.losses)
        self._mean.setData(self.steps, running_mean(self.losses))


def running_mean(values: Sequence[float], length: int = 10) -> NDArray[np.float64]:
    """The mean of each value and the `length` - 1 before it, of fewer at the start."""
    sums = np.cumsum([0.0, *values])
    ends = np.arange(1, len(sums))
    starts = np.maximum(ends - length, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
