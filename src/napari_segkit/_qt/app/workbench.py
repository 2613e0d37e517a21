"""All docks in one tab widget."""

from functools import partial
from typing import TypeVar

from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.measure.measure_dock import MeasureDock
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.widgets.when_visible import catch_up

from .project_row import ProjectRow
from .window_project import WindowProject

D = TypeVar("D", bound=QWidget)
FRAME = 4  # pixels around a dock
SETTLED_MS = 200  # until a dock that was shown knows its width in the theme of the window
# all in view in a narrow dock
TABS = "QTabBar::tab { padding: 3px 1px 3px 0px; font-size: 11px; }"


class Workbench(QTabWidget):
    """All docks of a viewer in tabs, from Model to Superpixels."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(documentMode=True)
        self._was_shown = False
        self.tabBar().setStyleSheet(TABS)
        self.model = self._add("Model", ModelDock(napari_viewer))
        self.train = self._add("Train", TrainDock(napari_viewer))
        self.predict = self._add("Predict", PredictDock(napari_viewer))
        self.evaluate = self._add("Evaluate", EvaluateDock(napari_viewer))
        self.measure = self._add("Measure", MeasureDock(napari_viewer))
        self.refine = self._add("Refine", RefineDock(napari_viewer))
        self.superpixels = self._add("Super-\npixels", SuperpixelDock(napari_viewer))
        self.setCurrentWidget(self.train)
        self.currentChanged.connect(self.updateGeometry)
        self.project = WindowProject(self.train, self.predict, self)
        self.project_row = ProjectRow(self.project)
        group = self.model.add_group("Project", _row=self.project_row)
        self.model.groups.insertWidget(0, group)
        self.train.groups.insertWidget(0, self.project_row.question)
        self.project_row.asked.connect(partial(self.setCurrentWidget, self.train))
        self.project.changed.connect(self._show_title)
        self.train.predict_button.show()
        self.train.predict_button.clicked.connect(self._predict)
        self.predict.written.connect(self.evaluate.set_prediction)
        self.predict.written.connect(self.refine.set_layer)
        self.refine.written.connect(self.evaluate.set_prediction)

    def minimumSizeHint(self) -> QSize:
        """As wide as the tabs and the dock in view: Qt adds a frame that is not there."""
        width = max(
            self.currentWidget().minimumSizeHint().width(), self.tabBar().sizeHint().width()
        )
        return QSize(width + FRAME, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        width = max(self.currentWidget().sizeHint().width(), self.minimumSizeHint().width())
        return QSize(width, super().sizeHint().height())

    def showEvent(self, event: QShowEvent) -> None:
        """Leave the canvas its room: only now is it known how little the docks need."""
        super().showEvent(event)
        if not self._was_shown:
            QTimer.singleShot(SETTLED_MS, self._narrow)
        self._was_shown = True

    def _narrow(self) -> None:
        dock = self.parentWidget() if isalive(self) else None
        if isinstance(dock, QDockWidget) and isinstance(dock.parentWidget(), QMainWindow):
            width = self.sizeHint().width()
            dock.setMinimumWidth(width)  # Qt keeps the widest that a dock ever asked for
            dock.parentWidget().resizeDocks([dock], [width], Qt.Orientation.Horizontal)

    def _show_title(self) -> None:
        """Name the project in the title of the window."""
        name, viewer = self.project.name, self.train.viewer
        if name and viewer is not None:
            viewer.title = f"{name}{'*' if self.project.has_changed else ''} - napari"

    def _predict(self) -> None:
        """Predict what the Train dock shows, without leaving it; or stop that."""
        if self.train.predict_button.is_predicting:
            self.train.session.stop()
            return
        catch_up(self.predict)
        if (image := self.train.data.image.value) is not None:
            self.predict.image.suggest(image)
        if self.predict.bar.reason is None:
            self.predict.predict()
        self.train.bar.show_status(self.predict.bar.reason or self.predict.bar.status.text())

    def _add(self, title: str, dock: D) -> D:
        self.addTab(dock, title)
        return dock
