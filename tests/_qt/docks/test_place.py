"""Docks tell of layers that do not lie on each other, as long as they do not."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter
from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.session.session import session
from napari_segkit.config import RefineConfig, TrainConfig

MASK = np.zeros((32, 32), np.uint8)
MASK[8:20, 8:24] = 1
AT = "the first pixel is at 0, 0 and at 40, 40."


@pytest.fixture
def viewer(make_light_viewer):
    viewer = make_light_viewer()
    viewer.add_image(MASK * 50.0, name="cells")
    viewer.add_labels(MASK.copy(), name="here")
    viewer.add_labels(MASK.copy(), name="there", translate=(40, 40))
    return viewer


@pytest.fixture
def opened(viewer):
    docks = []

    def open_dock(dock_class):
        docks.append(dock_class(viewer))
        viewer.window.add_dock_widget(docks[-1])
        return docks[-1]

    yield open_dock
    assert all(dock.wait_idle() for dock in docks)


def test_train_tells_of_labels_that_lie_apart_until_they_are_moved(opened, viewer):
    dock = opened(TrainDock)
    dock.data.labels.value = viewer.layers["here"]
    assert dock.data.place.text() == ""
    dock.data.labels.value = viewer.layers["there"]
    assert dock.data.place.text().startswith("cells and there do not lie on each other")
    assert dock.data.place.text().endswith(AT)
    assert not dock.data.place.isHidden()
    viewer.layers["there"].translate = (0, 0)
    assert dock.data.place.text() == ""
    viewer.layers["cells"].scale = (0.5, 0.5)
    assert "pixels are 0.5 x 0.5 and 1 x 1" in dock.data.place.text()


def test_evaluate_compares_layers_that_lie_apart_only_when_told_to(opened, viewer, qtbot):
    dock = opened(EvaluateDock)
    dock.prediction.value, dock.truth.value = viewer.layers["here"], viewer.layers["there"]
    assert dock.place.text().endswith(AT)
    with qtbot.waitSignal(dock.bar.errored):
        dock.bar.button.click()
    assert dock.wait_idle()
    assert "or press Compare pixel by pixel" in dock.bar.status.text()
    assert dock.table.rowCount() == 0
    with qtbot.waitSignal(dock.bar.returned):
        dock.metrics.remedies.answer("Compare pixel by pixel")
    assert dock.table.item(1, 2).text() == "1.0000"
    assert "Compared pixel by pixel, although here and there do not lie" in dock.summary.text()
    assert "by_index=True" in dock.code()
    dock.truth.value = viewer.layers.selection.active = viewer.add_labels(MASK, name="other")
    assert "by_index" not in dock.code()
    assert dock.place.text() == ""


def test_refine_tells_of_an_image_and_of_a_truth_that_lie_apart(opened, viewer):
    dock = opened(RefineDock)
    dock.inputs.layer.value = viewer.layers["here"]
    assert dock.place.text() == ""
    dock.truth.layer.value = viewer.layers["there"]
    assert dock.place.text().startswith("here and there do not lie on each other")
    viewer.layers["here"].translate = (40, 40)
    assert dock.place.text().startswith("cells and here do not lie on each other")
    viewer.layers["cells"].translate = (40, 40)
    assert dock.place.text() == ""


def test_predict_tells_of_a_pixel_size_unlike_that_of_the_training(opened, viewer):
    image = viewer.layers["cells"]
    image.scale = (0.5, 0.5)
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    segmenter.fit(MASK * 50.0, MASK, TrainConfig(epochs=1, unlabelled=None), spacing=(0.5, 0.5))
    session(viewer).segmenter = segmenter
    dock = opened(PredictDock)
    assert dock.options.pixel_size.text() == ""
    image.scale = (0.8, 0.8)
    assert dock.options.pixel_size.text().startswith(
        "cells has pixels of 0.8 x 0.8 (Y x X), but the model was trained on 0.5 x 0.5"
    )


def test_refinement_in_the_console_tells_of_an_image_that_lies_apart(viewer, qtbot):
    def refine():
        config = RefineConfig("mrf")
        task = session(viewer).refine(viewer.layers["there"], viewer.layers["cells"], config)
        qtbot.waitSignal(task.finished).wait()

    with pytest.warns(UserWarning, match="cells and there do not lie on each other"):
        refine()
