import subprocess
import sys

import numpy as np
import pytest
from npe2 import PluginManifest
from npe2.cli import app
from typer.testing import CliRunner

from napari_segkit import Segmenter
from napari_segkit._qt.app.workbench import Workbench

OPEN_ALL = """
import sys, time
import napari
viewer = napari.Viewer()
for name in ("Model", "Train", "Predict", "Evaluate", "Refine", "Superpixels", "SegKit workbench"):
    began = time.perf_counter()
    viewer.window.add_plugin_dock_widget("napari-segkit", name)
    print(name, time.perf_counter() - began, "torch" in sys.modules)
viewer.close()
"""


def docks_of(workbench):
    return [workbench.widget(i) for i in range(workbench.count())]


@pytest.fixture
def workbench(shared_viewer, qtbot):
    viewer = shared_viewer
    viewer.add_labels(np.ones((8, 8), int), name="truth")
    workbench = Workbench(viewer)
    viewer.window.add_dock_widget(workbench)
    yield workbench
    assert all(dock.wait_idle() for dock in docks_of(workbench))


def test_all_docks_share_one_session(workbench):
    assert len({id(dock.session) for dock in docks_of(workbench)}) == 1
    titles = [workbench.tabText(i) for i in range(workbench.count())]
    assert titles == [
        "Model",
        "Train",
        "Predict",
        "Evaluate",
        "Measure",
        "Refine",
        "Super-\npixels",
    ]


def test_evaluate_and_refine_choose_the_latest_prediction(workbench):
    viewer = workbench.model.viewer
    prediction = viewer.add_labels(np.ones((8, 8), int), name="cells prediction")
    viewer.add_labels(np.ones((8, 8), int), name="other")
    workbench.predict.written.emit(prediction)
    assert workbench.evaluate.prediction.value is prediction
    assert workbench.evaluate.truth.value is viewer.layers["truth"]
    assert workbench.refine.inputs.layer.value is prediction
    refined = viewer.add_labels(np.ones((8, 8), int), name="cells prediction refined")
    workbench.refine.written.emit(refined)
    assert workbench.evaluate.prediction.value is refined


@pytest.fixture
def shown(shared_viewer, qtbot):
    viewer = shared_viewer
    viewer.add_labels(np.ones((8, 8), int), name="truth")
    workbench = Workbench(viewer)
    qtbot.addWidget(workbench)
    workbench.show()
    return workbench


def test_a_dock_behind_another_tab_is_up_to_date_once_it_is_shown(shown):
    viewer, evaluate = shown.model.viewer, shown.evaluate
    prediction = viewer.add_labels(np.ones((8, 8), int), name="cells prediction")
    shown.predict.written.emit(prediction)
    assert not evaluate.bar.button.isEnabled()
    shown.setCurrentWidget(evaluate)
    assert evaluate.bar.button.isEnabled()
    assert [watch.layer.name for watch in evaluate._watches] == ["cells prediction", "truth"]


def test_code_can_evaluate_behind_another_tab(shown):
    viewer, evaluate = shown.model.viewer, shown.evaluate
    shown.predict.written.emit(viewer.add_labels(np.ones((8, 8), int), name="cells prediction"))
    evaluate.evaluate()
    assert evaluate.wait_idle()
    assert evaluate.result.text.startswith("cells prediction against truth.")


def test_a_removed_layer_is_not_kept_behind_another_tab(shown):
    viewer = shown.model.viewer
    shown.predict.written.emit(viewer.add_labels(np.ones((8, 8), int), name="cells prediction"))
    shown.setCurrentWidget(shown.evaluate)
    shown.setCurrentWidget(shown.train)
    viewer.layers.remove("cells prediction")
    assert [watch.layer for watch in shown.evaluate._watches] == [None, viewer.layers["truth"]]


def test_it_fits_a_small_window(workbench):
    size = workbench.minimumSizeHint()
    assert size.width() <= 400
    assert size.height() <= 640


def test_half_of_a_small_window_is_left_to_the_canvas(shown_viewer, qtbot):
    viewer, window = shown_viewer, shown_viewer.window._qt_window
    viewer.add_image(np.zeros((8, 8)), name="cells")
    viewer.add_labels(np.ones((8, 8), int), name="cells labels")
    window.resize(1280, 800)
    workbench = viewer.window.add_plugin_dock_widget("napari-segkit", "SegKit workbench")[1]
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.waitUntil(lambda: canvas.width() >= 640, timeout=10_000)
    for dock in docks_of(workbench):
        workbench.setCurrentWidget(dock)
        qtbot.waitUntil(lambda: canvas.width() >= 640 and canvas.height() >= 400)
        body = dock.scroll.widget()
        assert body.minimumSizeHint().width() <= dock.scroll.viewport().width()
    assert all(dock.wait_idle() for dock in docks_of(workbench))


def test_train_predicts_with_the_settings_of_the_predict_dock(workbench, monkeypatch):
    button = workbench.train.predict_button
    assert not button.isEnabled()
    assert "Train or load a model first" in button.toolTip()
    monkeypatch.setattr(Segmenter, "can_predict", True)
    started = []
    monkeypatch.setattr(workbench.predict, "predict", lambda: started.append(1))
    image = workbench.train.viewer.add_image(np.zeros((8, 8)), name="cells")
    workbench.train.session.segmenter_changed.emit()
    button.click()
    assert workbench.predict.image.value is image
    assert started or workbench.train.bar.status.text() == workbench.predict.bar.reason


def test_docks_open_without_importing_torch():
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL], capture_output=True, text=True, timeout=120, check=True
    )
    lines = [line.rsplit(maxsplit=2) for line in done.stdout.splitlines() if line]
    assert [name for name, _, _ in lines] == [
        "Model",
        "Train",
        "Predict",
        "Evaluate",
        "Refine",
        "Superpixels",
        "SegKit workbench",
    ]
    assert {torch for _, _, torch in lines} == {"False"}


def test_the_manifest_is_valid_and_uses_menus_of_napari():
    result = CliRunner().invoke(app, ["validate", "napari-segkit", "--imports"])
    assert result.exit_code == 0, result.output
    manifest = PluginManifest.from_distribution("napari-segkit")
    from napari._app_model.constants import MenuId

    contributable = {str(menu) for menu in MenuId.contributables()}
    assert set(manifest.contributions.menus) <= contributable
