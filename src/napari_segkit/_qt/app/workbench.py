"""All docks in one tab widget."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget

from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.docks.superpixels.superpixel_dock import SuperpixelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock

if TYPE_CHECKING:
    import napari


class Workbench(QTabWidget):
    """Model, Train, Predict, Evaluate, Refine and Superpixels docks of a viewer in tabs."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.model = ModelDock(napari_viewer)
        self.train = TrainDock(napari_viewer)
        self.predict = PredictDock(napari_viewer)
        self.evaluate = EvaluateDock(napari_viewer)
        self.refine = RefineDock(napari_viewer)
        self.superpixels = SuperpixelDock(napari_viewer)
        for dock, title in (
            (self.model, "Model"),
            (self.train, "Train"),
            (self.predict, "Predict"),
            (self.evaluate, "Evaluate"),
            (self.refine, "Refine"),
            (self.superpixels, "Superpixels"),
        ):
            self.addTab(dock, title)
        self.setCurrentWidget(self.train)
        self.predict.written.connect(self.evaluate.set_prediction)
        self.predict.written.connect(self.refine.set_layer)
        self.refine.written.connect(self.evaluate.set_prediction)
