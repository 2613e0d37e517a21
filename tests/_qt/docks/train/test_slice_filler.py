"""Filling between painted slices from the Train dock."""

import numpy as np
import pytest

from napari_segkit._qt.docks.train.slice_filler import NO_SLICES, NOT_EDITABLE, NOTHING
from napari_segkit._qt.docks.train.train_dock import TrainDock


@pytest.fixture
def dock(light_viewer):
    viewer = light_viewer
    viewer.add_image(np.zeros((2, 9, 30, 32), np.float32), name="series", axis_labels="TZYX")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.data.new_button.click()
    assert dock.wait_idle()
    return dock


def fill(dock):
    dock.annotation_panel.slices.button.click()
    assert dock.wait_idle()
    return dock.annotation_panel.slices.text.text()


def paint(layer, value, *slices, t=1):
    for z in slices:
        layer.data[t, z, 8:20, 10:22] = value


def test_slices_of_the_shown_time_point_are_filled_and_undone(dock):
    layer, viewer = dock.data.labels.value, dock.viewer
    paint(layer, 1, 1, 4, 6)
    layer.data[1, 6, 0:4, 0:4] = layer.data[1, 8, 0:4, 0:4] = 2
    layer.data[1, 2, 12, 12] = 2
    layer.data[0, 0] = layer.data[0, 8] = 1
    before = layer.data.copy()
    viewer.dims.set_point(0, 1)
    text = fill(dock)
    assert text == "Filled 4 slices between 5 painted ones, classes 1 and 2."
    assert (layer.data[1, 1:7, 15, 15] == 1).all()
    assert layer.data[1, 2, 12, 12] == 2
    assert (layer.data[1, 7, :3, :3] == 2).all()
    assert not layer.data[0, 1:8].any()
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    assert layer.data[1, 2, 15, 15] == 1


def test_slices_follow_the_slider(dock):
    layer, viewer = dock.data.labels.value, dock.viewer
    layer.data[0, 2:6, 10, 10:20] = layer.data[0, 2:6, 14, 10:20] = 1
    viewer.dims.order = (0, 2, 1, 3)
    assert fill(dock) == "Filled 3 slices between 2 painted ones, class 1."
    assert (layer.data[0, 2:6, 10:15, 10:20] == 1).all()


def test_what_cannot_be_filled_is_said(dock):
    layer, viewer = dock.data.labels.value, dock.viewer
    assert fill(dock) == NOTHING
    viewer.dims.ndisplay = 3
    assert fill(dock) == NO_SLICES
    viewer.dims.ndisplay = 2
    layer.editable = False
    assert fill(dock) == NOT_EDITABLE


def test_what_is_painted_meanwhile_stays(dock):
    layer = dock.data.labels.value
    paint(layer, 1, 1, 4, t=0)
    dock.annotation_panel.slices.button.click()
    layer.data[0, 2, 15, 15] = 2
    assert dock.wait_idle()
    assert layer.data[0, 2, 15, 15:17].tolist() == [2, 1]


def test_there_is_no_button_for_planes(dock):
    assert dock.annotation_panel.slices.isVisibleTo(dock)
    dock.viewer.layers.clear()
    dock.viewer.add_image(np.zeros((30, 32), np.float32))
    dock.data.new_button.click()
    assert dock.wait_idle()
    assert not dock.annotation_panel.slices.isVisibleTo(dock)
