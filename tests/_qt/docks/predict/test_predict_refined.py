import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtGui import QGuiApplication

from napari_segkit import ModelSpec, MRFConfig, RefineConfig, Segmenter, TrainConfig
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.session.session import session

PIXELS = np.random.default_rng(0).normal(50, 20, (48, 64)).astype(np.float32)
PIXELS[16:32] += 30
SETTINGS = RefineConfig("mrf", mrf=MRFConfig(weight=3.0))


@pytest.fixture(scope="module")
def trained():
    labels = np.zeros(PIXELS.shape, np.uint8)
    labels[:8], labels[20:28] = 1, 2
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(PIXELS, labels, TrainConfig())


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    viewer.add_image(PIXELS, name="cells", scale=(2, 2), units="um")
    return viewer


@pytest.fixture
def dock(viewer, trained, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    background = dock.device._latest
    trained.refine = RefineConfig()
    dock.session.segmenter = trained
    yield dock
    qtbot.waitUntil(lambda: not (isalive(background) and background.is_busy), timeout=60_000)


def press(qtbot, dock):
    with qtbot.waitSignal(dock.written, timeout=60_000) as written:
        dock.bar.button.click()
    qtbot.waitUntil(lambda: not dock.bar.is_running)
    return written.args[0]


def test_settings_of_the_model_are_shown(dock, trained):
    assert dock.refine.value == RefineConfig()
    trained.refine = SETTINGS
    dock.session.segmenter_changed.emit()
    assert dock.refine.value == SETTINGS
    assert dock.refine_settings() is None  # as stored with the model
    assert "refine=" not in dock.code()


def test_settings_in_the_dock_are_applied(dock, trained, qtbot):
    dock.refine.value = SETTINGS
    layer = press(qtbot, dock)
    expected = trained.predict(PIXELS, refine=SETTINGS, spacing=(2, 2))
    np.testing.assert_array_equal(layer.data, expected)
    assert (layer.data != trained.predict(PIXELS)).any()
    assert layer.metadata["segkit"]["refine"]["method"] == "mrf"


def test_settings_of_the_model_can_be_switched_off(dock, trained, qtbot):
    trained.refine = SETTINGS
    dock.session.segmenter_changed.emit()
    dock.refine.method.value = None
    layer = press(qtbot, dock)
    np.testing.assert_array_equal(layer.data, trained.predict(PIXELS, refine=RefineConfig()))


def test_clean_up_lists_the_classes_of_the_model(dock):
    texts = [dock.refine.clean.choice.native.itemText(i) for i in range(2)]
    assert texts == ["1  class 1", "2  class 2"]
    assert "micrometer" in dock.refine.clean.unit.text()


def test_copied_python_gives_the_same_result(dock, viewer, trained, qtbot):
    dock.refine.value = SETTINGS
    dock.probabilities.keep.value = True
    dock.bar.copy_button.click()
    exec(QGuiApplication.clipboard().text(), {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    layer = viewer.layers["cells prediction"]
    expected = trained.predict(PIXELS, refine=SETTINGS, spacing=(2, 2))
    np.testing.assert_array_equal(layer.data, expected)
    assert session(viewer).probabilities_of(layer) is not None


def test_probabilities_are_kept_on_request_only(dock, viewer, trained, qtbot):
    layer = press(qtbot, dock)
    assert dock.session.probabilities_of(layer) is None
    assert not dock.probabilities.button.isEnabled()
    dock.probabilities.keep.value = True
    assert press(qtbot, dock) is layer
    kept = dock.session.probabilities_of(layer)
    np.testing.assert_array_equal(kept.maps, trained.predict_proba(PIXELS))
    assert ([c.value for c in kept.classes], kept.axes) == ([1, 2], "YX")
    dock.probabilities.button.click()
    shown = [viewer.layers[f"cells prediction: class {v}"] for v in (1, 2)]
    np.testing.assert_array_equal([x.data for x in shown], kept.maps)
    np.testing.assert_array_equal(shown[0].scale, (2, 2))
    assert dock.image.value is viewer.layers["cells"]
    dock.probabilities.keep.value = False
    press(qtbot, dock)
    assert (
        dock.session.probabilities_of(layer) is None
    )  # those of the earlier prediction are dropped
    assert not dock.probabilities.button.isEnabled()
