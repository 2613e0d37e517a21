"""The suggestion of the Train dock: shown with reasons, set only when a person takes it."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TrainConfig, session
from napari_segkit._qt.docks.train import suggest_box as texts
from napari_segkit._qt.docks.train.train_dock import TrainDock

Y, X = np.indices((64, 80))
DISCS = np.zeros(Y.shape, np.uint8)
for number, (y, x) in enumerate([(12, 12), (12, 40), (12, 66), (44, 12), (44, 40), (44, 54)], 1):
    DISCS[(Y - y) ** 2 + (X - x) ** 2 < 50] = number
IMAGE = (np.random.default_rng(0).integers(0, 40, Y.shape) + 150 * (DISCS > 0)).astype(np.uint8)


@pytest.fixture
def dock(light_viewer):
    session(light_viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    light_viewer.add_image(IMAGE, name="cells")
    light_viewer.add_labels(DISCS.copy(), name="ids")
    dock = TrainDock(light_viewer)
    light_viewer.window.add_dock_widget(dock)
    assert dock.wait_idle()
    yield dock
    assert dock.wait_idle()


def suggest(dock):
    dock.suggestion.button.click()
    assert dock.suggestion.button.text() == texts.STOP
    assert dock.wait_idle()
    assert dock.suggestion.button.text() == texts.SUGGEST
    return dock.suggestion.text.text()


def test_reasons_are_shown_and_nothing_is_set_unasked(dock):
    before = dock.session.segmenter.spec, dock.session.config, dock.config()
    said = suggest(dock)
    assert "Objects: distance" in said
    assert "the 6 regions that were read" in said
    assert dock.suggestion.answers.offered == [texts.USE]
    assert (dock.session.segmenter.spec, dock.session.config, dock.config()) == before


def test_what_is_suggested_is_set_when_it_is_taken(dock):
    dock.suggestion.minutes.value = 3
    suggest(dock)
    found = dock.suggestion.suggestion
    dock.suggestion.answers.answer(texts.USE)
    assert dock.wait_idle()
    assert dock.session.segmenter.spec == found.spec
    assert dock.config() == found.config
    assert dock.config().minutes == 3
    assert dock.config().labels_are == "objects"
    assert texts.USED in dock.suggestion.text.text()
    assert dock.suggestion.answers.offered == []


def test_a_trained_model_stays(dock):
    labels = np.where(DISCS > 0, 2, 1).astype(np.uint8)
    trained = Segmenter(ModelSpec("pixels"), device="cpu").fit(IMAGE, labels)
    dock.session.segmenter = trained
    assert dock.wait_idle()
    model = trained.trained
    suggest(dock)
    dock.suggestion.use()
    assert dock.session.segmenter.trained is model


def test_stopped_or_on_other_labels_there_is_no_suggestion(dock):
    dock.suggestion.button.click()
    dock.suggestion.button.click()
    assert dock.wait_idle()
    assert dock.suggestion.suggestion is None
    assert dock.suggestion.text.text() == ""
    suggest(dock)
    other = dock.viewer.add_labels(np.zeros_like(DISCS), name="other")
    dock.data.labels.value = other
    assert dock.wait_idle()
    assert dock.suggestion.suggestion is None
    assert "strokes are enough" in suggest(dock)


def test_painted_on_or_on_another_device_it_is_no_longer_offered(dock):
    suggest(dock)
    dock.data.labels.value.paint((30, 70), 9)
    assert dock.wait_idle()
    assert dock.suggestion.text.text() == texts.OUTDATED
    assert dock.suggestion.answers.offered == []
    suggest(dock)
    dock.session.segmenter_changed.emit()
    assert dock.suggestion.suggestion is not None
    dock.session.segmenter.device = "auto"
    dock.session.segmenter_changed.emit()
    assert dock.suggestion.text.text() == texts.OUTDATED


def test_a_layer_that_is_removed_meanwhile_takes_the_suggestion_with_it(dock):
    dock.suggestion.button.click()
    dock.viewer.layers.remove("ids")
    assert dock.wait_idle()
    assert dock.suggestion.suggestion is None
    assert dock.suggestion.button.text() == texts.SUGGEST


def test_what_is_missing_is_said(light_viewer):
    dock = TrainDock(light_viewer)
    light_viewer.window.add_dock_widget(dock)
    dock.suggestion.button.click()
    assert "No Image layer" in dock.suggestion.text.text()
    assert dock.config() == TrainConfig()
    assert dock.wait_idle()


def test_an_error_is_said_and_the_next_one_works(dock, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("shape mismatch")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(texts, "suggestions", fail)
        assert suggest(dock) == "The suggestion failed: shape mismatch; details in the log."
    assert "Objects: distance" in suggest(dock)
