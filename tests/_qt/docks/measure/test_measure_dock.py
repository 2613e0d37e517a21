"""The Measure dock: the table of `measure`, linked with the canvas and the plot."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtGui import QGuiApplication

from napari_segkit import measure
from napari_segkit._qt.docks.measure.measure_dock import MeasureDock
from napari_segkit._qt.docks.measure.measure_inputs import ALL, SELECTED

LABELS = np.zeros((3, 40, 60), np.uint8)
for t in range(3):
    LABELS[t, 5 : 10 + 5 * t, 5:10] = 1
    LABELS[t, 20:30, 30 + t : 40 + t] = 2
IMAGE = np.random.default_rng(0).random(LABELS.shape)
PLACE = {"axis_labels": ("T", "Y", "X"), "scale": (1, 0.5, 0.5)}
STOPPED = object()
NAMES = {"index": [1, 2], "name": ["cell", "debris"]}


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    viewer.add_image(IMAGE, name="cells", **PLACE)
    viewer.add_labels(LABELS.copy(), name="cells labels", features=NAMES, **PLACE)
    return viewer


@pytest.fixture
def dock(viewer):
    dock = MeasureDock(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


def press(qtbot, dock):
    with qtbot.waitSignal(dock.bar.finished, timeout=30_000):
        dock.bar.button.click()
    assert dock.wait_idle()


def click_row(dock, row):
    dock.table.clicked.emit(dock.table.model().index(row, 0))


def click_canvas(viewer, position):
    event = SimpleNamespace(
        position=position, dims_displayed=[1, 2], type="mouse_press", modifiers=(), button=1
    )
    pressed = [callback(viewer, event) for callback in viewer.mouse_drag_callbacks]
    running = [each for each in pressed if next(each, STOPPED) is not STOPPED]
    event.type = "mouse_release"
    assert all(next(each, STOPPED) is STOPPED for each in running)


def test_the_table_is_that_of_measure(dock, viewer, qtbot):
    press(qtbot, dock)
    expected = measure(viewer.layers["cells labels"], viewer.layers["cells"])
    assert expected["area"].iloc[0] == 25 * 0.25
    written = pd.read_csv(io.StringIO(dock.csv()), keep_default_na=False)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
    assert dock.summary.text() == "2 classes in 6 rows; lengths in units of the layer's scale."
    code = dock.inputs.code().splitlines()[-1]
    assert code == "measure(viewer.layers['cells labels'], viewer.layers['cells'])"


def test_a_row_moves_the_canvas_and_a_click_selects_the_row(dock, viewer, qtbot):
    dock.inputs.form.by.value = "object"
    press(qtbot, dock)
    layer = viewer.layers["cells labels"]
    row = dock.result.row_at(0, (2, 25, 36), 2)
    click_row(dock, row)
    assert viewer.dims.current_step[0] == 2
    assert layer.selected_label == 2
    assert viewer.scene.camera.center[-2:] == pytest.approx((24.5 / 2, 36.5 / 2))
    viewer.layers.selection.active = layer
    click_canvas(viewer, (1.0, 3.0, 3.0))
    (selected,) = dock.table.selectionModel().selectedRows()
    table = dock.result.measured.table.iloc[dock.table.rows.row_at(selected)]
    assert (table["T"], table["index"]) == (1, 1)
    layer.mode = "paint"
    click_canvas(viewer, (1.0, 12.0, 17.0))
    assert dock.table.selectionModel().selectedRows() == [selected]


def test_curves_over_time_lead_to_their_rows(dock, qtbot):
    press(qtbot, dock)
    assert dock.panel.axis.value == "T"
    cell, debris = dock.panel.plot.curves
    assert (cell.name, cell.x.tolist()) == ("cell", [0, 1, 2])
    assert cell.y.tolist() == [25 * 0.25, 50 * 0.25, 75 * 0.25]
    with qtbot.waitSignal(dock.panel.chosen):
        dock.panel.plot._on_points(None, [SimpleNamespace(data=lambda: debris.rows[1])])
    assert dock.viewer.dims.current_step[0] == 1
    dock.panel.axis.value = "histogram"
    assert dock.panel.plot.curves == ()


def test_several_layers_are_one_table(dock, viewer, qtbot):
    viewer.add_labels(np.roll(LABELS, 1, axis=0), name="other", **PLACE)
    dock.inputs.layers.value = ALL
    press(qtbot, dock)
    assert dock.result.measured.table["image"].unique().tolist() == ["cells labels", "other"]
    assert "layers" in dock.panel.axis.choices
    dock.panel.axis.value = "layers"
    assert [curve.x.tolist() for curve in dock.panel.plot.curves] == [[0, 1]] * 2
    flat = viewer.add_labels(LABELS[0, 20:].copy(), name="flat", scale=(0.5, 0.5))
    flat.data[8:, :5] = 2
    dock.inputs.layers.value = ALL
    press(qtbot, dock)
    click_canvas(viewer, (1.0, 5.0, 1.0))
    (selected,) = dock.table.selectionModel().selectedRows()
    row = dock.result.measured.table.iloc[dock.table.rows.row_at(selected)]
    assert (row["image"], row["class"]) == ("flat", 2)
    dock.inputs.layers.value = SELECTED
    viewer.layers.selection.clear()
    assert dock.bar.hint.text().startswith("No Labels layer is selected")


def test_old_measurements_never_pose_as_new(dock, viewer, qtbot):
    press(qtbot, dock)
    layer = viewer.layers["cells labels"]
    layer.data_setitem(tuple(np.zeros((3, 1), int)), 2)
    assert dock.wait_idle()
    assert dock.summary.text().startswith("Out of date: The labels have changed.")
    assert not dock.copy_button.isEnabled()
    layer.undo()
    qtbot.waitUntil(lambda: dock.stale is None)
    dock.inputs.form.shape.value = True
    assert dock.summary.text().startswith("Out of date: The layers or options have changed.")
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Labels layer")


def test_the_table_is_copied_and_saved(dock, qtbot, tmp_path):
    press(qtbot, dock)
    dock.copy_button.click()
    assert QGuiApplication.clipboard().text() == dock.csv()
    dock.save(tmp_path / "sizes.csv")
    assert dock.wait_idle()
    assert (tmp_path / "sizes.csv").read_text() == dock.csv()
    assert dock.bar.status.text().endswith("sizes.csv.")
    (tmp_path / "precious.csv").write_text("precious")
    dock.save(tmp_path / "precious")  # the dialog did not ask about precious.csv
    assert dock.wait_idle()
    assert "exists already" in dock.bar.status.text()
    assert (tmp_path / "precious.csv").read_text() == "precious"


def test_components_are_found_by_a_click(dock, viewer, qtbot):
    layer = viewer.layers["cells labels"]
    layer.data[0, 35:38, 50:55] = 1
    dock.inputs.form.by.value = "component"
    press(qtbot, dock)
    click_canvas(viewer, (0.0, 18.0, 26.0))
    (selected,) = dock.table.selectionModel().selectedRows()
    row = dock.result.measured.table.iloc[dock.table.rows.row_at(selected)]
    assert (row["class"], row["pixels"]) == ("cell", 15)


def test_labels_that_cannot_be_measured_are_told(dock, viewer, qtbot):
    viewer.add_labels(np.full((3, 40, 60), -1), name="negative", **PLACE)
    dock.inputs.labels.value = viewer.layers["negative"]
    press(qtbot, dock)
    assert "negative values" in dock.bar.status.text()
