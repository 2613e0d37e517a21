"""All docks in one tab widget."""

from typing import TypeVar

from napari.viewer import Viewer
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock

D = TypeVar("D", bound=QWidget)


class Workbench(QTabWidget):
    """Model, Train, Predict, Evaluate, Refine and Superpixels docks of a viewer in tabs."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.model = self._add("Model", ModelDock(napari_viewer))
        self.train = self._add("Train", TrainDock(napari_viewer))
        self.predict = self._add("Predict", PredictDock(napari_viewer))
        self.evaluate = self._add("Evaluate", EvaluateDock(napari_viewer))
        self.refine = self._add("Refine", RefineDock(napari_viewer))
        self.superpixels = self._add("Superpixels", SuperpixelDock(napari_viewer))
        self.setCurrentWidget(self.train)
        self.predict.written.connect(self.evaluate.set_prediction)
        self.predict.written.connect(self.refine.set_layer)
        self.refine.written.connect(self.evaluate.set_prediction)

    def _add(self, title: str, dock: D) -> D:
        self.addTab(dock, title)
        return dock
