"""Curves of a training: its losses, and its scores on what was held out."""

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit.images.classes import LabelClass
from napari_segkit.training.events import ValidationStep

from .validations import best_step, score_curves, score_name

if TYPE_CHECKING:
    from .loss_plot import LossPlot, ScorePlot

HEIGHT = 150
LOSS = (
    "<p>Training loss of each step (thin) and its running mean (thick); dots: the loss on what is "
    "held out. The dashed line is the best validation, whose weights are kept.</p>"
)
SCORE = (
    "<p>Scores on what is held out: thick, that by which the best model is kept; thin, IoU of each "
    "class in its colour. The dashed line is the best validation, whose weights are kept.</p>"
)


class Curve(QWidget):
    """A plot that is made when there is something to show: pyqtgraph takes long to import."""

    def __init__(self, theme: str, tooltip: str) -> None:
        super().__init__()
        self._theme = theme
        self.setFixedHeight(HEIGHT)
        self.setToolTip(tooltip)
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)

    def sizeHint(self) -> QSize:
        """Small width, so that the curve does not widen the dock."""
        return QSize(200, self.height())

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        self._theme = theme
        if self.plot is not None:
            self.plot.set_theme(theme)


class LossCurve(Curve):
    """Losses of a training so far."""

    plot: "LossPlot | None" = None

    def __init__(self, theme: str) -> None:
        super().__init__(theme, LOSS)
        self.steps: list[int] = []
        self.losses: list[float] = []
        self._validations: Sequence[ValidationStep] = ()

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

    def set_validations(self, validations: Sequence[ValidationStep]) -> None:
        """Show the losses of all validations so far."""
        self._validations = list(validations)
        self._redraw()

    def _redraw(self) -> None:
        if self.plot is None:
            if not self.losses:
                return
            from .loss_plot import LossPlot

            self.plot = LossPlot(self._theme)
            self.layout().addWidget(self.plot)
        self.plot.set_data(self.steps, self.losses)
        known = {v.done: v.loss for v in self._validations if not isnan(v.loss)}
        self.plot.set_validation(list(known), list(known.values()))
        self.plot.mark_best(best_step(self._validations))


class ScoreCurve(Curve):
    """Scores of the validations of a training so far."""

    plot: "ScorePlot | None" = None

    def __init__(self, theme: str) -> None:
        super().__init__(theme, SCORE)

    def set_validations(
        self, validations: Sequence[ValidationStep], classes: Sequence[LabelClass]
    ) -> None:
        """Show the scores of all validations so far; `classes` have the colours."""
        if not validations and self.plot is None:
            return
        if self.plot is None:
            from .loss_plot import ScorePlot

            self.plot = ScorePlot(self._theme, "score")
            self.layout().addWidget(self.plot)
        curves = score_curves(validations, classes)
        self.plot.set_data([v.done for v in validations], curves, score_name(validations))
        self.plot.mark_best(best_step(validations))
