import numpy as np
import pytest

from napari_segkit import error_map
from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit.images.layer_metadata import LayerMetadata

TRUTH = np.zeros((60, 60), np.uint16)
TRUTH[5:15, 5:15], TRUTH[30:50, 30:50] = 1, 2
PREDICTED = np.zeros_like(TRUTH)
PREDICTED[5:15, 6:16], PREDICTED[40:48, 5:15] = 7, 9
OBJECTS = {"index": [7, 9], "score": [0.9, 0.8]}


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    viewer.add_image(np.zeros((60, 60)), name="cells")
    viewer.add_labels(TRUTH.copy(), name="cells truth")
    viewer.add_labels(PREDICTED.copy(), name="cells prediction", features=OBJECTS)
    return viewer


@pytest.fixture
def dock(viewer):
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    dock.metrics.kind.value = "instance"
    return dock


def press(dock):
    dock.errors.errors_button.click()
    assert dock.wait_idle()


def rows(table):
    return [
        [table.rows.index(r, c).data() for c in range(table.rows.columnCount())]
        for r in range(table.rows.rowCount())
    ]


def test_errors_are_a_layer_with_a_legend_until_pressed_again(dock, viewer):
    truth, prediction = viewer.layers["cells truth"], viewer.layers["cells prediction"]
    truth.visible = False
    active = viewer.layers.selection.active
    dock.metrics.kind.value = "semantic"
    dock.metrics.semantics.set_value(None, "objects")
    press(dock)
    layer = viewer.layers["cells prediction errors"]
    expected = error_map(PREDICTED > 0, TRUTH > 0)
    assert (layer.data == expected.values).all()
    assert layer.features["name"].tolist() == [c.name for c in expected.classes]
    assert not layer.editable
    assert not prediction.visible
    assert viewer.layers.selection.active is active
    assert "false&nbsp;negative&nbsp;410" in dock.errors.legend.text()
    assert "wrong" not in dock.errors.legend.text()
    assert [row[:2] for row in rows(dock.errors.places)] == [
        ["false negative", "400"],
        ["false positive", "80"],
    ]
    for choice in (dock.prediction, dock.truth):
        assert layer not in choice.choices
    press(dock)
    assert layer not in viewer.layers
    assert prediction.visible
    assert not truth.visible
    assert dock.errors.legend.text() == ""


def test_errors_follow_each_evaluation_and_a_renamed_layer_stays(dock, viewer):
    press(dock)
    layer = viewer.layers["cells prediction errors"]
    viewer.layers["cells prediction"].data[30:50, 30:50] = 8
    dock.evaluate()
    assert dock.wait_idle()
    assert viewer.layers["cells prediction errors"] is layer
    assert (layer.data[30:50, 30:50] == 1).all()
    layer.name = "kept"
    dock.evaluate()
    assert dock.wait_idle()
    assert viewer.layers["cells prediction errors"] is not layer
    viewer.layers.remove("cells prediction errors")
    assert not dock.errors.errors_button.isChecked()
    assert viewer.layers["cells prediction"].visible
    assert layer in viewer.layers
    assert LayerMetadata.of(layer).kind == "errors"


def test_a_row_selects_its_object_and_an_object_its_row(dock, viewer):
    viewer.window.main_menu.window().show()
    press(dock)
    table = dock.errors.objects
    assert [row[:3] for row in rows(table)] == [
        ["missed", "2", "-"],
        ["invented", "-", "9"],
        ["matched", "1", "7"],
    ]
    viewer.layers["cells truth"].visible = True
    viewer.layers["cells truth"].mode = "paint"
    viewer.layers["cells truth"].selected_label = 5
    table.clicked.emit(table.rows.index(2, 0))
    assert viewer.layers["cells truth"].selected_label == 5  # of the brush
    viewer.layers["cells truth"].mode = "pan_zoom"
    table.clicked.emit(table.rows.index(2, 0))
    assert viewer.layers["cells truth"].selected_label == 1
    assert viewer.layers["cells prediction"].selected_label == 7
    assert tuple(viewer.scene.camera.center[-2:]) == pytest.approx((9.5, 10))
    viewer.layers.selection.active = viewer.layers["cells truth"]
    viewer.layers["cells truth"].selected_label = 2
    assert table.currentIndex().row() == 0
    assert tuple(viewer.scene.camera.center[-2:]) == pytest.approx((9.5, 10))
    table.sortByColumn(1, table.horizontalHeader().sortIndicatorOrder())
    table.select_object("prediction", 9)
    assert table.rows.row_at(table.currentIndex()) == 1
    table.clicks.clicked.emit((8.0, 10.0), (0, 1))  # where both have an object
    assert table.rows.row_at(table.currentIndex()) == 2


def test_contours_are_drawn_in_two_colours_and_the_layers_stay_as_they_are(dock, viewer):
    truth, prediction = viewer.layers["cells truth"], viewer.layers["cells prediction"]
    colormap = truth.colormap
    dock.errors.contours_button.click()
    contours = [x for x in viewer.layers if LayerMetadata.of(x).kind == "contours"]
    assert [x.data is y.data for x, y in zip(contours, (truth, prediction), strict=True)]
    colors = {tuple(x.get_color(1)) for x in contours}
    assert len(colors) == 2
    assert not truth.visible
    assert truth.contour == 0
    assert truth.colormap is colormap
    prediction.data = TRUTH.copy()
    assert contours[1].data is prediction.data
    press(dock)
    viewer.layers.remove(truth)
    assert not any(LayerMetadata.of(x).kind for x in viewer.layers)
    assert prediction.visible
    assert not dock.errors.contours_button.isChecked()


def test_a_closed_dock_shows_the_layers_again(dock, viewer, qtbot):
    qtbot.addWidget(dock)
    press(dock)
    dock.errors.contours_button.click()
    viewer.window.remove_dock_widget(dock)
    assert [x.name for x in viewer.layers] == ["cells", "cells truth", "cells prediction"]
    assert all(x.visible for x in viewer.layers)


def test_a_wrong_choice_is_said(dock, viewer):
    viewer.layers["cells truth"].data = np.zeros((60, 50), np.uint16)
    press(dock)
    assert "shape" in dock.errors.text.text()
    assert not dock.errors.errors_button.isChecked()
    assert len(viewer.layers) == 3
