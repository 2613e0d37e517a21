"""What the plots of all docks share."""

import pyqtgraph
from napari.utils.theme import get_theme

MARGINS = 6, 8, 8, 6  # pyqtgraph draws axis labels 5 pixels outside their axis


class Plot(pyqtgraph.PlotWidget):
    """A plot in the text colour of a napari theme, whose axes the mouse does not move."""

    def __init__(self, theme: str, left: str, bottom: str) -> None:
        super().__init__(background=None)
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.set_titles(left, bottom)
        self.getPlotItem().layout.setContentsMargins(*MARGINS)
        self.set_theme(theme)

    def set_titles(self, left: str, bottom: str) -> None:
        """Name the axes."""
        for side, text in (("left", left), ("bottom", bottom)):
            self.setLabel(side, text)
            self.getAxis(side).enableAutoSIPrefix(False)  # 0.0002, not 0.2 of "loss (x0.001)"

    def set_theme(self, theme: str) -> None:
        """Use the text colour of a napari theme for the axes."""
        color = get_theme(theme).text.as_rgb_tuple()[:3]
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(color)
            self.getAxis(side).setTextPen(color)
