"""The figure below the table: a confusion matrix of classes, or curves of objects."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.picture import PictureLabel, PictureWindow
from napari_segkit.evaluation.instance import InstanceReport
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import Report
from napari_segkit.evaluation.semantic import SemanticReport

from .confusion_picture import MOST_CLASSES, confusion_picture

if TYPE_CHECKING:
    from napari_segkit.images.pictures import Picture

    from .threshold_plot import ThresholdPlot

TITLE = "Confusion matrix"
TIP = (
    "<p>Confusion matrix: of the pixels of each class of the truth (row), how many percent are "
    "predicted as which class (column). Click to see and save it in full.</p>"
)
PLOT_TIP = "<p>F1 and AP (thick), precision and recall (thin) for each IoU threshold.</p>"
HEIGHT = 150


class MetricsFigure(QWidget):
    """A confusion matrix of classes, the curves of objects over IoU thresholds, or nothing."""

    plot: "ThresholdPlot | None" = None  # pyqtgraph takes long to import

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.label = PictureLabel(TIP)
        self.window_of_picture = PictureWindow(self, TITLE, "confusion.png")
        self.picture: Picture | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.legend = Note(rich=True)
        column.addWidget(self.label)
        column.addWidget(self.legend)
        self.label.clicked.connect(self._on_clicked)
        viewer.events.theme.connect(self._on_theme)
        self.label.hide()

    def show_report(self, report: Report[Metric], *, stale: bool) -> None:
        """Show the figure of a report; an outdated one is grey."""
        is_matrix = isinstance(report, SemanticReport) and len(report.classes) <= MOST_CLASSES
        is_curve = isinstance(report, InstanceReport)
        self.label.setVisible(is_matrix)
        if isinstance(report, SemanticReport) and is_matrix:
            names = [report.names.get(value, str(value)) for value in report.classes]
            self.picture = confusion_picture(report.counts, names, stale=stale)
            self.label.show_picture(self.picture)
        if is_curve:
            self._curves(report.metrics, stale=stale)
        if self.plot is not None:
            self.plot.setVisible(is_curve)
            self.legend.setVisible(is_curve)

    def _curves(self, metrics: Mapping[str, Any], *, stale: bool) -> None:
        if self.plot is None:
            from .threshold_plot import LEGEND, ThresholdPlot

            self.plot = ThresholdPlot(self._viewer.theme)
            self.plot.setFixedHeight(HEIGHT)
            self.plot.setMinimumWidth(100)
            self.plot.setToolTip(PLOT_TIP)
            self.legend.setText(LEGEND)
            self.layout().addWidget(self.plot)
        self.plot.show_metrics(metrics, stale=stale)

    def _on_clicked(self) -> None:
        if self.picture is not None:
            self.window_of_picture.show_picture(self.picture)

    def _on_theme(self) -> None:
        if self.plot is not None:
            self.plot.set_theme(self._viewer.theme)
