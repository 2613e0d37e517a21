import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtGui import QGuiApplication

from napari_segkit import ModelSpec, MRFConfig, RefineConfig, Segmenter, TrainConfig
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.session.session import session

PIXELS = np.random.default_rng(0).normal(50, 20, (48, 64)).astype(np.float32)
PIXELS[16:32] += 30
RECIPE = RefineConfig("mrf", mrf=MRFConfig(weight=3.0))


@pytest.fixture(scope="module")
def learned():
    labels = np.zeros(PIXELS.shape, np.uint8)
    labels[:8], labels[20:28] = 1, 2
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(PIXELS, labels, TrainConfig())


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(PIXELS, name="cells", scale=(2, 2), units="um")
    return viewer


@pytest.fixture
def dock(viewer, learned, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    asking = dock.device._latest
    learned.refine = RefineConfig()
    dock.session.segmenter = learned
    yield dock
    qtbot.waitUntil(lambda: not (isalive(asking) and asking.is_busy), timeout=60_000)


def press(qtbot, dock):
    with qtbot.waitSignal(dock.written, timeout=60_000) as written:
        dock.bar.button.click()
    qtbot.waitUntil(lambda: not dock.bar.is_running)
    return written.args[0]


def test_shows_the_model_s_own_recipe(dock, learned):
    assert dock.refine.value() == RefineConfig()
    learned.refine = RECIPE
    dock.session.segmenter_changed.emit()
    assert dock.refine.value() == RECIPE
    assert dock.refine_settings() is None  # nothing to be said: it is the model's
    assert "refine=" not in dock.code()


def test_the_recipe_on_screen_is_what_is_done(dock, learned, qtbot):
    dock.refine.set_value(RECIPE)
    layer = press(qtbot, dock)
    expected = learned.predict(PIXELS, refine=RECIPE, spacing=(2, 2))
    np.testing.assert_array_equal(layer.data, expected)
    assert (layer.data != learned.predict(PIXELS)).any()
    assert layer.metadata["segkit"]["refine"]["method"] == "mrf"


def test_a_model_s_recipe_can_be_left_out(dock, learned, qtbot):
    learned.refine = RECIPE
    dock.session.segmenter_changed.emit()
    dock.refine.method.set_value(None)
    layer = press(qtbot, dock)
    np.testing.assert_array_equal(layer.data, learned.predict(PIXELS, refine=RefineConfig()))


def test_clean_up_is_for_the_model_s_classes(dock):
    texts = [dock.refine.clean.choice.itemText(i) for i in range(2)]
    assert texts == ["1  class 1", "2  class 2"]
    assert "micrometer" in dock.refine.clean.unit.text()


def test_the_copied_python_does_the_same(dock, viewer, learned, qtbot):
    dock.refine.set_value(RECIPE)
    dock.probabilities.keep.set_value(True)
    dock.bar.copy_button.click()
    exec(QGuiApplication.clipboard().text(), {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    layer = viewer.layers["cells prediction"]
    expected = learned.predict(PIXELS, refine=RECIPE, spacing=(2, 2))
    np.testing.assert_array_equal(layer.data, expected)
    assert session(viewer).probabilities_of(layer) is not None


def test_probabilities_are_kept_on_request_and_not_beyond(dock, viewer, learned, qtbot):
    layer = press(qtbot, dock)
    assert dock.session.probabilities_of(layer) is None
    assert not dock.probabilities.button.isEnabled()
    dock.probabilities.keep.set_value(True)
    assert press(qtbot, dock) is layer
    kept = dock.session.probabilities_of(layer)
    np.testing.assert_array_equal(kept.maps, learned.predict_proba(PIXELS))
    assert ([c.value for c in kept.classes], kept.axes) == ([1, 2], "YX")
    dock.probabilities.button.click()
    shown = [viewer.layers[f"cells prediction: class {v}"] for v in (1, 2)]
    np.testing.assert_array_equal([x.data for x in shown], kept.maps)
    np.testing.assert_array_equal(shown[0].scale, (2, 2))
    assert dock.image.current_layer() is viewer.layers["cells"]
    dock.probabilities.keep.set_value(False)
    press(qtbot, dock)
    assert dock.session.probabilities_of(layer) is None  # they are those of before
    assert not dock.probabilities.button.isEnabled()
