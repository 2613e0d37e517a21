"""Loss curve of a training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QVBoxLayout, QWidget

if TYPE_CHECKING:
    from .loss_plot import LossPlot


class LossCurve(QWidget):
    """Losses of a training so far; hidden while there are none."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.plot: LossPlot | None = None
        self._theme = theme
        self.setFixedHeight(150)
        self.setToolTip("Training loss of each step (thin) and its running mean (thick).")
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)
        self.setVisible(False)

    def sizeHint(self) -> QSize:
        """Small width, so that the curve does not widen the dock."""
        return QSize(200, self.height())

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        self._theme = theme
        if self.plot is not None:
            self.plot.set_theme(theme)

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
        if self.losses and self.plot is None:
            from .loss_plot import LossPlot  # pyqtgraph takes long to import

            self.plot = LossPlot(self._theme)
            self.layout().addWidget(self.plot)
        if self.plot is not None:
            self.plot.set_data(self.steps, self.losses)
