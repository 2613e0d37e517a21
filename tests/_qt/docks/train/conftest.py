"""A Train dock in a light viewer."""

import pytest
from qtpy.compat import isalive

from napari_segkit import ModelSpec, Segmenter, session
from napari_segkit._qt.docks.train.train_dock import TrainDock


@pytest.fixture
def dock(make_light_viewer):
    viewer = make_light_viewer()
    session(viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"))  # trains fastest
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    assert dock.wait_idle()
    yield dock
    if isalive(dock):
        assert dock.wait_idle()


@pytest.fixture
def panel(dock):
    return dock.training_set
