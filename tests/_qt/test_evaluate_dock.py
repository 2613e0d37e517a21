import csv
import io

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_segkit import evaluate
from napari_segkit._qt.evaluate_dock import EvaluateDock

CORNER = np.array([0]), np.array([0])
TRUTH = np.ones((32, 32), np.uint8)
TRUTH[8:24, 8:24] = 2
PREDICTION = np.roll(TRUTH, 2, axis=0)


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    features = {"index": [1, 2], "name": ["background", "cell"]}
    viewer.add_labels(TRUTH.copy(), name="truth", features=features)
    viewer.add_labels(PREDICTION.copy(), name="prediction")
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    qtbot.waitUntil(lambda: not dock._prints.is_busy)


def press(qtbot, dock):
    with qtbot.waitSignal(dock.bar.finished, timeout=30_000):
        dock.bar.button.click()
    settled(qtbot, dock)


def settled(qtbot, dock):
    qtbot.waitUntil(lambda: not dock._prints.is_busy)


def shown(dock):
    table = dock.table
    return [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]


def struck_out(dock):
    return dock.table.item(0, 1).font().strikeOut()


def test_the_figures_are_those_of_evaluate(dock, qtbot):
    press(qtbot, dock)
    report = evaluate(PREDICTION, TRUTH)
    assert shown(dock) == [
        ["1  background", f"{report.iou[1]:.4f}", f"{report.dice[1]:.4f}"],
        ["2  cell", f"{report.iou[2]:.4f}", f"{report.dice[2]:.4f}"],
        ["mean", f"{report.mean_iou:.4f}", f"{report.mean_dice:.4f}"],
    ]
    assert dock.readout.text().startswith("prediction against truth.")
    assert "unlabelled=None (every pixel counts)" in dock.readout.text()


def test_says_what_is_missing(dock, viewer):
    assert dock.prediction.current_layer() is viewer.layers["prediction"]
    assert dock.truth.current_layer() is viewer.layers["truth"]
    dock.truth.set_layer(viewer.layers["prediction"])
    assert dock.bar.hint.text() == "Prediction and truth are the same layer: choose two."
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Labels layer")
    assert not dock.bar.button.isEnabled()


def test_unlabelled_pixels_of_the_truth_are_left_out_on_request(dock, qtbot):
    dock.meaning.set_value(1, "ask")
    press(qtbot, dock)
    assert dock.result.report.iou == evaluate(PREDICTION, TRUTH, unlabelled=1).iou
    assert "unlabelled=1" in dock.readout.text()


@pytest.mark.parametrize("name", ["prediction", "truth"])
def test_paint_makes_the_figures_out_of_date_and_undo_mends_them(dock, viewer, qtbot, name):
    press(qtbot, dock)
    assert dock.stale is None
    viewer.layers[name].data_setitem(CORNER, 2)
    assert dock.stale == "Out of date: a layer has changed since. Press Evaluate."
    assert struck_out(dock)
    assert not dock.table_button.isEnabled()
    settled(qtbot, dock)
    assert struck_out(dock)
    viewer.layers[name].undo()
    qtbot.waitUntil(lambda: dock.stale is None)
    assert not struck_out(dock)


def test_paint_during_the_measurement_counts_as_a_change(dock, viewer, qtbot):
    dock.bar.button.click()
    viewer.layers["truth"].data_setitem(CORNER, 2)
    with qtbot.waitSignal(dock.bar.finished, timeout=30_000):
        pass
    settled(qtbot, dock)
    assert dock.stale is not None
    assert dock.result.report.iou == evaluate(PREDICTION, TRUTH).iou


def test_other_choices_make_the_figures_out_of_date(dock, viewer, qtbot):
    press(qtbot, dock)
    dock.meaning.set_value(0, "ask")
    assert dock.stale.startswith("Out of date: the choices above")
    dock.meaning.set_value(None, "ask")
    assert dock.stale is None
    viewer.layers.remove("truth")
    assert struck_out(dock)


def test_the_table_is_copied_as_csv(dock, qtbot):
    assert not dock.table_button.isEnabled()
    press(qtbot, dock)
    dock.table_button.click()
    rows = list(csv.DictReader(io.StringIO(QGuiApplication.clipboard().text())))
    assert [row["class"] for row in rows] == ["1", "2", "mean"]
    assert float(rows[2]["iou"]) == pytest.approx(dock.result.report.mean_iou)


def test_the_copied_python_does_the_same(dock, viewer, qtbot):
    press(qtbot, dock)
    dock.bar.copy_button.click()
    *imports, line = QGuiApplication.clipboard().text().strip().splitlines()
    names = {"viewer": viewer}
    exec("\n".join(imports), names)
    assert eval(line, names).iou == dock.result.report.iou


def test_shapes_that_differ_are_said(dock, viewer, qtbot):
    dock.prediction.set_layer(viewer.add_labels(np.ones((4, 4), int), name="small"))
    press(qtbot, dock)
    assert "(4, 4)" in dock.bar.status.text()
    assert dock.result is None


def test_a_prediction_is_measured_against_the_truth_by_default(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    for name in ("coins scribbles", "coins truth"):
        viewer.add_labels(TRUTH, name=name)
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    assert dock.prediction.currentText() == "coins scribbles"
    assert dock.truth.currentText() == "coins truth"
    made = viewer.add_labels(PREDICTION, name="made", metadata={"segkit": {"kind": "prediction"}})
    assert dock.prediction.current_layer() is made
    assert dock.truth.currentText() == "coins truth"
    dock.truth.set_layer(viewer.layers["coins scribbles"])
    dock.set_prediction(viewer.add_labels(PREDICTION, name="other prediction"))
    assert dock.truth.currentText() == "coins scribbles"
