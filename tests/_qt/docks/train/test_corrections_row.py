"""Corrections and the look of predictions from the Train dock."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session
from napari_segkit._qt.docks.train import corrections_row as texts
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit.images.layer_metadata import LayerMetadata

STACK = np.broadcast_to(np.linspace(0, 255, 40)[:, None], (3, 40, 30)).astype(np.uint8)
QUICK = TrainConfig(tile=TileConfig(tile_size=32), validation=None)


@pytest.fixture(scope="module")
def segmenter():
    labels = np.zeros(STACK.shape, np.uint8)
    labels[:, :12, ::4], labels[:, 28:, ::4] = 1, 2
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(STACK, labels, QUICK, axes="ZYX")


@pytest.fixture
def dock(light_viewer, segmenter):
    light_viewer.add_image(STACK, name="cells", axis_labels="ZYX", scale=(4, 2, 2))
    session(light_viewer).segmenter = segmenter
    dock = TrainDock(light_viewer)
    light_viewer.window.add_dock_widget(dock)
    dock.data.new_button.click()
    assert dock.wait_idle()
    yield dock
    assert dock.wait_idle()


@pytest.fixture
def predicted(dock):
    """The prediction below the labels, which stay selected for painting."""
    dock.session.predict(dock.viewer.layers["cells"])
    assert dock.wait_idle()
    return dock.viewer.layers["cells prediction"]


def test_a_prediction_lies_below_the_chosen_labels_whichever_are_selected(dock):
    chosen, layers = dock.data.labels.value, dock.viewer.layers
    other = dock.viewer.add_labels(np.zeros(STACK.shape, int), name="cells truth", scale=(4, 2, 2))
    dock.data.labels.value = chosen
    dock.session.predict(layers["cells"])
    assert dock.wait_idle()
    assert [*layers][-3:] == [layers["cells prediction"], chosen, other]
    assert layers.selection.active is other


def press(qtbot, row, button):
    row.text.setText("")
    button.click()
    qtbot.waitUntil(lambda: bool(row.text.text()))
    return row.text.text()


def paint(layer, z):
    layer.data_setitem((np.full(9, z), *(x.ravel() for x in np.mgrid[2:5, 2:5])), 2)


def test_labels_stay_above_what_is_predicted_and_selected(dock, predicted):
    layers, labels = dock.viewer.layers, dock.data.labels.value
    assert [x.name for x in layers] == ["cells", "cells prediction", "cells labels"]
    assert layers.selection.active is labels
    assert (predicted.opacity, predicted.contour) == (0.4, 0)
    assert np.allclose(predicted.get_color(1), labels.get_color(1))


def test_one_look_is_remembered_and_a_persons_own_stays(dock, predicted):
    dock.corrections.look.value = "contours"
    assert (predicted.opacity, predicted.contour) == (0.9, 2)
    predicted.opacity = 0.55
    dock.corrections.look.value = "filled"
    assert (predicted.opacity, predicted.contour) == (0.55, 2)
    dock.corrections.look.value = "contours"
    assert TrainDock(dock.viewer).corrections.look.value == "contours"
    dock.viewer.layers.remove(predicted)
    dock.session.predict(dock.viewer.layers["cells"])
    assert dock.wait_idle()
    assert dock.viewer.layers["cells prediction"].contour == 2


def test_a_key_hides_predictions_and_shows_those_again(dock, predicted):
    viewer = dock.viewer
    other = viewer.add_labels(
        predicted.data.copy(), name="other", visible=False, metadata=predicted.metadata
    )
    press_key = viewer.keymap[next(k for k in viewer.keymap if str(k) == "H")]
    press_key(viewer)
    assert (predicted.visible, other.visible) == (False, False)
    assert dock.data.labels.value.visible
    press_key(viewer)
    assert (predicted.visible, other.visible) == (True, False)


def test_painted_corrections_become_labels(dock, predicted, qtbot):
    row, labels = dock.corrections, dock.data.labels.value
    assert press(qtbot, row, row.use) == texts.NOTHING_PAINTED.format("cells prediction")
    paint(predicted, 0), paint(predicted, 2)
    dock.viewer.dims.set_point(0, 8)
    row.slices.value = True
    text = press(qtbot, row, row.use)
    assert text == "9 pixels are labels now: background. Undo in cells labels takes it back."
    assert np.unique(np.nonzero(labels.data)[0]).tolist() == [2]
    row.slices.value = False
    press(qtbot, row, row.use)
    assert np.unique(np.nonzero(labels.data)[0]).tolist() == [0, 2]
    labels.undo()
    assert np.unique(np.nonzero(labels.data)[0]).tolist() == [2]


def test_a_lassoed_part_becomes_labels_and_the_lasso_is_free_again(dock, predicted, qtbot):
    row, labels = dock.corrections, dock.data.labels.value
    assert press(qtbot, row, row.accept) == texts.DRAW
    shapes = dock.viewer.layers.selection.active
    assert shapes.mode == "add_polygon_lasso"
    shapes.add_polygons(np.array([[1, 10, 5], [1, 10, 20], [1, 25, 20], [1, 25, 5]]))
    text = press(qtbot, row, row.accept)
    assert text.startswith("225 pixels are labels now: object, background.")
    inside = np.s_[1, 10:25, 5:20]
    np.testing.assert_array_equal(labels.data[inside], predicted.data[inside])
    assert not labels.data[[0, 2]].any()
    assert len(shapes.data) == 0


def test_why_nothing_can_be_taken_is_said(dock, predicted):
    row = dock.corrections
    assert row.use.isEnabled()
    dock.label_stats.semantics.unlabelled.value = None
    assert dock.wait_idle()
    assert row.accept.toolTip() == texts.ALL_LABELLED
    dock.data.labels.value.editable = False
    row.update_state()
    assert row.use.toolTip() == texts.NOT_EDITABLE
    dock.viewer.layers.remove(predicted)
    assert not row.use.isEnabled()
    dock.viewer.layers.clear()
    assert row.accept.toolTip() == texts.NO_IMAGE


def test_a_persons_own_key_stays(light_viewer):
    def own(viewer):
        pass

    light_viewer.bind_key("H", own)
    session(light_viewer)
    assert [f for key, f in light_viewer.keymap.items() if str(key) == "H"] == [own]


def test_corrections_come_from_the_prediction_that_can_be_painted_on(dock, predicted, qtbot):
    image = dock.viewer.layers["cells"]
    record = LayerMetadata("preview", str(image.unique_id))
    preview = dock.viewer.add_labels(
        predicted.data[:, :9], name="live", metadata=record.as_metadata(), scale=predicted.scale
    )
    preview.editable = False
    dock.viewer.layers.selection.active = dock.data.labels.value
    paint(predicted, 0)
    assert press(qtbot, dock.corrections, dock.corrections.use).startswith("9 pixels")
