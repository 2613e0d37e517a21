import csv
import io
from threading import Event
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtGui import QGuiApplication

from napari_segkit import Segmenter, TrainConfig, evaluate
from napari_segkit._qt.docks.evaluate import layer_evaluation
from napari_segkit._qt.docks.evaluate.evaluate_dock import EvaluateDock
from napari_segkit._qt.docks.evaluate.layer_evaluation import fingerprints
from napari_segkit._qt.docks.evaluate.seen_pixels import Training
from napari_segkit._qt.layers.result_layers import fingerprint
from napari_segkit.images.layer_metadata import LayerMetadata

CORNER = np.array([0]), np.array([0])
TRUTH = np.ones((32, 32), np.uint8)
TRUTH[8:24, 8:24] = 2
PREDICTION = np.roll(TRUTH, 2, axis=0)
OBJECTS = np.kron(np.arange(12).reshape(3, 4), np.ones((8, 8), np.uint16)).astype(np.uint16)
PREDICTED_OBJECTS = np.where(np.roll(OBJECTS, 1, axis=1) == 5, 0, np.roll(OBJECTS, 1, axis=1))


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    features = {"index": [1, 2], "name": ["background", "cell"]}
    viewer.add_labels(TRUTH.copy(), name="truth", features=features)
    viewer.add_labels(PREDICTION.copy(), name="prediction")
    return viewer


@pytest.fixture
def dock(viewer):
    dock = EvaluateDock(viewer)
    dock.live.switch.setChecked(False)  # until the button is pressed
    viewer.window.add_dock_widget(dock)
    return dock


def press(qtbot, dock):
    with qtbot.waitSignal(dock.bar.finished, timeout=30_000):
        dock.bar.button.click()
    wait_until_idle(qtbot, dock)


def wait_until_idle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock._fingerprints.is_busy)


def table_rows(dock):
    table = dock.table
    columns = range(table.columnCount())
    return [[table.item(r, c).text() for c in columns] for r in range(table.rowCount())]


def struck_out(dock):
    return dock.table.item(0, 1).font().strikeOut()


def test_metrics_equal_those_of_evaluate(dock, qtbot):
    press(qtbot, dock)
    report = evaluate(PREDICTION, TRUTH)
    assert table_rows(dock) == [
        ["1  background", f"{report.iou[1]:.4f}", f"{report.dice[1]:.4f}"],
        ["2  cell", f"{report.iou[2]:.4f}", f"{report.dice[2]:.4f}"],
        ["mean", f"{report.mean_iou:.4f}", f"{report.mean_dice:.4f}"],
        ["accuracy", f"{report.accuracy:.4f}", ""],
        ["frequency-weighted IoU", f"{report.frequency_weighted_iou:.4f}", ""],
        ["Cohen's kappa", f"{report.kappa:.4f}", ""],
    ]
    assert dock.summary.text().startswith("prediction against truth.")
    assert list(dock.result.report.images) == ["prediction"]
    assert "unlabelled: none (every pixel counts)" in dock.summary.text()


def test_shows_what_is_missing(dock, viewer):
    assert dock.prediction.value is viewer.layers["prediction"]
    assert dock.truth.value is viewer.layers["truth"]
    dock.truth.value = viewer.layers["prediction"]
    assert (
        dock.bar.hint.text()
        == "Prediction and truth are the same layer: choose two different layers."
    )
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Labels layer")
    assert not dock.bar.button.isEnabled()


def test_unlabelled_pixels_of_the_truth_can_be_left_out(dock, qtbot):
    dock.metrics.semantics.set_value(1, "ask")
    press(qtbot, dock)
    assert dock.result.report.iou == evaluate(PREDICTION, TRUTH, unlabelled=1).iou
    assert "unlabelled: 1" in dock.summary.text()


def test_painting_makes_the_metrics_out_of_date_until_undone(dock, viewer, qtbot):
    press(qtbot, dock)
    assert dock.stale is None
    for name in ("prediction", "truth"):
        viewer.layers[name].data_setitem(CORNER, 2)
        assert dock.stale == "Out of date: a layer has changed. Press Evaluate again."
        assert struck_out(dock)
        assert not dock.table_button.isEnabled()
        wait_until_idle(qtbot, dock)
        assert struck_out(dock)
        viewer.layers[name].undo()
        qtbot.waitUntil(lambda: dock.stale is None)
        assert not struck_out(dock)


def test_painting_during_the_evaluation_makes_it_out_of_date(dock, viewer, qtbot, monkeypatch):
    copied, painted = Event(), Event()

    def hash_later(*layers):
        copied.set()
        painted.wait(10)
        return fingerprints(*layers)

    monkeypatch.setattr(layer_evaluation, "fingerprints", hash_later)
    assert dock._request().truth.data is viewer.layers["truth"].data  # the worker copies them
    dock.bar.button.click()
    assert copied.wait(10)
    viewer.layers["truth"].data_setitem(CORNER, 2)
    painted.set()
    with qtbot.waitSignal(dock.bar.finished, timeout=30_000):
        pass
    wait_until_idle(qtbot, dock)
    assert dock.stale is not None
    assert dock.result.report.iou == evaluate(PREDICTION, TRUTH).iou


def test_changed_options_make_the_metrics_out_of_date(dock, viewer, qtbot):
    press(qtbot, dock)
    dock.metrics.semantics.set_value(0, "ask")
    assert dock.stale.startswith("Out of date: the options")
    dock.metrics.semantics.set_value(None, "ask")
    assert dock.stale is None
    viewer.layers.remove("truth")
    assert struck_out(dock)


def test_table_and_python_are_copied(dock, viewer, qtbot):
    assert not dock.table_button.isEnabled()
    press(qtbot, dock)
    dock.table_button.click()
    rows = list(csv.DictReader(io.StringIO(QGuiApplication.clipboard().text())))
    assert [row["class"] for row in rows][:4] == ["1", "2", "mean", "accuracy"]
    assert float(rows[2]["iou"]) == pytest.approx(dock.result.report.mean_iou)

    dock.bar.copy_button.click()
    *imports, line = QGuiApplication.clipboard().text().strip().splitlines()
    names = {"viewer": viewer}
    exec("\n".join(imports), names)
    assert eval(line, names).iou == dock.result.report.iou


def test_different_shapes_are_reported(dock, viewer, qtbot):
    dock.prediction.value = viewer.add_labels(np.ones((4, 4), int), name="small")
    dock.truth.value = viewer.layers["truth"]
    press(qtbot, dock)
    assert "(4, 4)" in dock.bar.status.text()
    assert dock.result is None


def test_default_layers_are_a_prediction_and_a_truth(light_viewer, qtbot):
    viewer = light_viewer
    for name in ("coins scribbles", "coins truth"):
        viewer.add_labels(TRUTH, name=name)
    dock = EvaluateDock(viewer)
    qtbot.addWidget(dock)
    assert dock.prediction.current_choice == "coins scribbles"
    assert dock.truth.current_choice == "coins truth"
    made = viewer.add_labels(PREDICTION, name="made", metadata={"segkit": {"kind": "prediction"}})
    assert dock.prediction.value is made
    assert dock.truth.current_choice == "coins truth"
    dock.truth.value = viewer.layers["coins scribbles"]
    dock.set_prediction(viewer.add_labels(PREDICTION, name="other prediction"))
    assert dock.truth.current_choice == "coins scribbles"


def following(qtbot, dock):
    """Wait for the metrics that follow a change."""
    qtbot.waitUntil(lambda: not dock.live.is_busy and not dock._fingerprints.is_busy)
    return dock.result.report


def test_the_metrics_follow_the_layers(dock, viewer, qtbot):
    dock.live.switch.setChecked(True)
    assert following(qtbot, dock).iou == evaluate(PREDICTION, TRUTH).iou
    truth = viewer.layers["truth"]
    truth.data_setitem((np.arange(32), np.arange(32)), 2)
    assert struck_out(dock)
    assert "Computing" in dock.summary.text()
    assert following(qtbot, dock).iou == evaluate(PREDICTION, truth.data).iou
    assert not struck_out(dock)
    truth.undo()
    qtbot.waitUntil(lambda: dock.result.report.iou == evaluate(PREDICTION, TRUTH).iou)
    dock.metrics.semantics.set_value(1, "ask")
    assert following(qtbot, dock).iou == evaluate(PREDICTION, TRUTH, unlabelled=1).iou
    dock.prediction.value = viewer.add_labels(TRUTH[:9], name="small")
    dock.truth.value = truth
    qtbot.waitUntil(lambda: "(9, 32)" in dock.bar.status.text())
    assert struck_out(dock)


def test_large_layers_wait_for_the_button(dock, viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_segkit._qt.docks.evaluate.live_evaluation.MOST_PIXELS", 1000)
    dock.live.switch.setChecked(True)
    assert not dock.live.is_busy
    press(qtbot, dock)
    viewer.layers["truth"].data_setitem(CORNER, 2)
    assert dock.stale == "Out of date: a layer has changed. Press Evaluate again."


def test_the_columns_of_classes_are_chosen(dock, viewer, qtbot):
    dock.live.switch.setChecked(True)
    for name in ("truth", "prediction"):
        viewer.layers[name].scale, viewer.layers[name].units = (0.5, 0.5), ("um", "um")
    report = following(qtbot, dock)
    dock.metrics.columns.value = "rates"
    assert table_rows(dock)[0][1:] == [
        f"{f[1]:.4f}" for f in (report.precision, report.recall, report.specificity)
    ]
    assert dock.stale is None
    dock.metrics.columns.value = "distances"
    assert struck_out(dock)
    report = following(qtbot, dock)
    expected = evaluate(PREDICTION, TRUTH, spacing=(0.5, 0.5), distances=True)
    rows, distances = table_rows(dock), expected.metrics["hausdorff_95"]
    assert [row[-1] for row in rows[:2]] == [f"{distances[v]:.3f}" for v in (1, 2)]
    assert dock.table.horizontalHeaderItem(4).text() == "HD95 um"
    assert [row[0] for row in rows] == ["1  background", "2  cell", "mean"]


def test_the_confusion_matrix_is_a_picture(dock, qtbot, tmp_path):
    press(qtbot, dock)
    assert dock.figure.label.isVisibleTo(dock)
    picture = dock.figure.picture
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    red, blue = picture[70, -10].astype(int), picture[70, -80].astype(int)
    assert red[0] > red[2]  # few of class 1 are predicted as 2
    assert blue[2] > blue[0]
    dock.figure.label.clicked.emit()
    dock.figure.window_of_picture.save(tmp_path / "a.png")
    qtbot.waitUntil(lambda: (tmp_path / "a.png").exists())
    dock.figure.window_of_picture.close()
    dock.metrics.semantics.set_value(0, "ask")
    assert (dock.figure.picture != picture).any()  # grey


def test_a_map_of_classes_is_offered(dock, viewer, qtbot):
    viewer.layers["truth"].data = np.where(TRUTH == 2, 255, 0).astype(np.uint8)
    viewer.layers["prediction"].data = PREDICTION - np.uint8(1)
    dock.live.switch.setChecked(True)
    following(qtbot, dock)
    (offered,) = dock.metrics.remedies.offered
    assert offered == "Take 1 of the prediction as 255 of the truth"
    dock.metrics.remedies.answer(offered)
    qtbot.waitUntil(lambda: dock.result is not None and dock.stale is None)
    expected = evaluate(PREDICTION - 1, TRUTH - 1)
    assert dock.result.report.iou == {0: expected.iou[0], 255: expected.iou[1]}
    assert dock.metrics.remedies.offered == []
    assert "class_map={1: 255}" in dock.code()
    following(qtbot, dock)


def test_a_region_limits_the_metrics(dock, viewer, qtbot):
    dock.live.switch.setChecked(True)
    box = np.array([[3.5, 3.5], [3.5, 20.5], [15.5, 20.5], [15.5, 3.5]])
    shapes = viewer.add_shapes(name="part")
    dock.pixels.region.value = shapes
    assert dock.bar.hint.text() == "part holds no shape: draw one, or choose another Region."
    shapes.add_rectangles(box)
    part = np.s_[4:16, 4:21]
    qtbot.waitUntil(lambda: dock.result is not None and dock.stale is None)
    assert dock.result.report.iou == evaluate(PREDICTION[part], TRUTH[part]).iou
    assert "Only a region counts" in dock.summary.text()
    names = {"viewer": viewer}
    *imports, line = dock.code().strip().splitlines()
    exec("\n".join(imports), names)
    assert eval(line, names).iou == dock.result.report.iou
    mask = np.zeros((32, 32), int)
    mask[part] = 1
    dock.pixels.region.value = viewer.add_labels(mask, name="mask")
    dock.prediction.value = viewer.layers["prediction"]
    report = following(qtbot, dock)
    assert report.iou == evaluate(PREDICTION[part], TRUTH[part]).iou
    assert dock.truth.value is viewer.layers["truth"]


@pytest.fixture
def objects(light_viewer):
    """A dock with instance labels as truth, and a prediction with scores."""
    viewer = light_viewer
    viewer.add_labels(OBJECTS.copy(), name="truth")
    features = {"index": range(1, 12), "class": ["cell"] * 11, "score": [0.9] * 11}
    viewer.add_labels(PREDICTED_OBJECTS.copy(), name="prediction", features=features)
    dock = EvaluateDock(viewer)
    dock.live.switch.setChecked(False)  # until the button is pressed
    viewer.window.add_dock_widget(dock)
    return dock


def test_a_score_column_selects_instance_metrics(objects, qtbot):
    assert objects.metrics.kind.value == "instance"
    assert objects.metrics.semantics.labels_are.current_choice.startswith("Instance ids")
    press(qtbot, objects)
    report = evaluate(PREDICTED_OBJECTS, OBJECTS, kind="instance")
    rows = table_rows(objects)
    metrics = report.f1, report.precision, report.recall, report.ap
    assert rows[0] == ["0.50", *(f"{f[0.5]:.3f}" for f in metrics)]
    assert len(rows) == 11
    assert rows[-1][0] == "mean"
    assert rows[-1][-1] == f"{report.mean_ap:.3f}"
    assert report.summary() in objects.summary.text()
    lines = objects.csv().splitlines()
    assert lines[0].startswith("threshold,f1,precision,recall,ap")
    assert len(lines) == 12
    *imports, line = objects.code().strip().splitlines()
    assert "kind='instance'" in line
    names = {"viewer": objects.viewer}
    exec("\n".join(imports), names)
    assert eval(line, names).ap == objects.result.report.ap
    thresholds, values = objects.figure.plot.curves["f1"].getData()
    assert dict(zip(thresholds, values, strict=True)) == report.f1


def test_another_kind_makes_the_metrics_out_of_date(objects, qtbot):
    press(qtbot, objects)
    objects.metrics.kind.value = "semantic"
    assert objects.stale.startswith("Out of date: the options")
    assert struck_out(objects)
    objects.metrics.kind.value = "instance"
    assert objects.stale is None
    objects.viewer.layers["truth"].data_setitem(CORNER, 2)
    assert objects.stale == "Out of date: a layer has changed. Press Evaluate again."


def test_a_kind_chosen_by_the_user_is_kept_for_its_layers(objects):
    viewer = objects.viewer
    objects.metrics.kind.value = "semantic"
    viewer.layers["prediction"].features = {"score": [0.5]}
    assert objects.metrics.kind.value == "semantic"
    other = viewer.add_labels(PREDICTED_OBJECTS, name="other prediction", features={"score": [0.5]})
    objects.set_prediction(other)
    assert objects.metrics.kind.value == "instance"
    objects.set_prediction(viewer.layers["prediction"])
    assert objects.metrics.kind.value == "semantic"


def test_instance_ids_evaluated_as_classes_offer_remedies(objects, qtbot):
    objects.metrics.kind.value = "semantic"
    press(qtbot, objects)
    assert objects.result is None
    assert "look like instance ids: choose Labels are: Instance ids" in objects.bar.status.text()
    assert objects.metrics.remedies.isVisibleTo(objects)
    assert "Compare objects" in objects.metrics.remedies.offered
    with qtbot.waitSignal(objects.bar.finished, timeout=30_000):
        objects.metrics.remedies.answer("Compare objects")
    assert objects.metrics.kind.value == objects.result.options.kind == "instance"
    assert not objects.metrics.remedies.isVisibleTo(objects)
    wait_until_idle(qtbot, objects)


def test_classes_evaluated_as_objects_offer_remedies(objects, qtbot):
    for name in ("prediction", "truth"):
        layer = objects.viewer.layers[name]
        dots = np.zeros(layer.data.shape, np.uint8)
        dots[2::6, 2::6] = 1
        layer.data = dots
    press(qtbot, objects)
    offered = objects.metrics.remedies.offered
    assert offered[0] == "Each connected component is an object"
    with qtbot.waitSignal(objects.bar.finished, timeout=30_000):
        objects.metrics.remedies.answer(offered[0])
    assert objects.metrics.semantics.value["labels_are"] == "classes"
    assert objects.result.options.kind == "instance"
    wait_until_idle(qtbot, objects)


def test_panoptic_metrics_have_a_row_per_class(objects, qtbot):
    table = {"index": range(1, 12), "class": ["cell"] * 9 + ["sky"] * 2}
    table["kind"] = ["thing"] * 9 + ["stuff"] * 2
    truth, prediction = (objects.viewer.layers[n] for n in ("truth", "prediction"))
    truth.features = prediction.features = pd.DataFrame(table)
    assert objects.metrics.kind.value == "panoptic"
    assert not objects.metrics.semantics.labels_are.enabled
    press(qtbot, objects)
    report = evaluate(prediction, truth, kind="panoptic")
    rows = table_rows(objects)
    assert [row[0] for row in rows] == ["cell", "sky", "mean", "mean of things", "mean of stuff"]
    assert rows[0][1:] == [f"{f['cell']:.4f}" for f in (report.pq, report.sq, report.rq)]
    truth.features = pd.DataFrame(table | {"class": ["cell"] * 8 + ["sky"] * 3})
    qtbot.waitUntil(lambda: objects.stale is not None)
    truth.features = pd.DataFrame(table)
    qtbot.waitUntil(lambda: objects.stale is None)


def predicted(viewer, image, model="m"):
    provenance = {"model": {"id": model}}
    record = LayerMetadata("prediction", str(image.unique_id), provenance=provenance)
    return viewer.add_labels(PREDICTION.copy(), metadata=record.as_metadata())


def test_labels_of_the_training_are_truth_only_when_chosen_and_marked(dock, viewer, qtbot):
    viewer.layers.clear()
    image = viewer.add_image(TRUTH, name="cells")
    labels = viewer.add_labels(TRUTH.copy(), name="cells labels")
    used = frozenset({str(labels.unique_id), fingerprint(labels.data)})
    dock.session.keep_training_labels("m", used)
    prediction = predicted(viewer, image)
    assert (dock.prediction.value, dock.truth.value) == (prediction, None)
    assert "taken only if chosen" in dock.bar.hint.text()
    dock.truth.value = labels
    press(qtbot, dock)
    assert dock.summary.text().startswith(
        f"{prediction.name} against cells labels, includes training pixels."
    )
    assert table_rows(dock)[-4][0] == "mean, includes training pixels"
    assert {row["data"] for row in csv.DictReader(io.StringIO(dock.csv()))} == {"training"}


def test_a_copy_of_the_training_labels_is_marked_too(dock, viewer, qtbot):
    viewer.layers.clear()
    image = viewer.add_image(TRUTH, name="cells")
    dock.session.keep_training_labels("m", frozenset({fingerprint(TRUTH)}))
    predicted(viewer, image, "another")
    dock.truth.value = viewer.add_labels(TRUTH.copy(), name="copy")
    press(qtbot, dock)
    assert "includes training pixels" not in dock.summary.text()
    predicted(viewer, image)
    dock.truth.value = viewer.layers["copy"]
    press(qtbot, dock)
    assert "includes training pixels" in dock.summary.text()


def test_the_truth_is_of_the_image_of_the_prediction(dock, viewer, qtbot):
    viewer.layers.clear()
    first, second = (viewer.add_image(TRUTH, name=name) for name in "ab")
    truths = [viewer.add_labels(TRUTH.copy(), name=f"{name} truth") for name in "ab"]
    viewer.add_labels(np.ones((8, 8), int), name="small truth")
    predictions = [predicted(viewer, image) for image in (first, second)]
    for image, prediction, truth in zip((first, second), predictions, truths, strict=True):
        viewer.layers.selection.active = image
        assert (dock.prediction.value, dock.truth.value) == (prediction, truth)
    dock.follower.pin.click()
    viewer.layers.selection.active = first
    assert dock.prediction.value is predictions[1]


def test_pixels_that_the_model_has_seen_are_left_out_or_marked(dock, viewer, qtbot):
    viewer.layers.clear()
    pixels = np.random.default_rng(0).integers(0, 9, TRUTH.shape) + 60 * TRUTH
    scribbles = np.where(np.arange(32)[:, None] < 14, TRUTH, 0)
    segmenter = Segmenter("pixels", device="cpu").fit(
        pixels, scribbles, TrainConfig(validation=None)
    )
    dock.session.segmenter = segmenter
    image = viewer.add_image(pixels, name="cells")
    predicted(viewer, image, segmenter.trained.identity)
    dock.truth.value = viewer.add_labels(TRUTH.copy(), name="cells truth")
    dock.live.switch.setChecked(True)
    report = following(qtbot, dock)
    assert report.iou == evaluate(PREDICTION[14:], TRUTH[14:]).iou
    assert "Left out: 448 pixels" in dock.summary.text()
    *imports, line = dock.code().strip().splitlines()
    names = {"viewer": viewer}
    exec("\n".join(imports), names)
    assert eval(line, names).iou == report.iou
    dock.pixels.seen.value = False
    assert following(qtbot, dock).iou == evaluate(PREDICTION, TRUTH).iou
    assert "mean, includes training pixels" in [row[0] for row in table_rows(dock)]
    dock.pixels.seen.value = True
    dock.truth.value = viewer.add_labels(scribbles, name="cells labels")
    dock.metrics.semantics.set_value(0, "ask")
    qtbot.waitUntil(lambda: dock.metrics.remedies.offered == ["Count all pixels"])
    dock.metrics.remedies.answer("Count all pixels")
    qtbot.waitUntil(lambda: dock.stale is None)
    assert dock.result.report.pixels == 448
    wait_until_idle(qtbot, dock)


def test_an_image_that_the_model_cannot_read_is_said():
    def refuse(image):
        raise ValueError("The model has 3 channels.")

    model = SimpleNamespace(records_training=True, trained_pixels=refuse)
    known = Training(model=model, image=TRUTH).trained_pixels(TRUTH.shape)
    assert known.mask is None
    assert known.problem.endswith("cannot be told. The model has 3 channels.")
