"""The Train dock pauses, resumes and goes on with trainings."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.session import interrupted
from napari_segkit._qt.session.interrupted import kept, new_spare

CONFIG = TrainConfig(epochs=2, steps_per_epoch=4, batch_size=2, tile=TileConfig(tile_size=32))
SMALL = ModelSpec("segresnet", dims="2D")


@pytest.fixture
def scribbled():
    labels = np.zeros((48, 48), np.uint8)
    labels[:4], labels[-4:] = 1, 2
    return np.random.default_rng(0).integers(0, 255, (48, 48), np.uint8), labels


@pytest.fixture(autouse=True)
def states(tmp_path, monkeypatch):
    """The states in a folder of this test alone."""
    monkeypatch.setattr(interrupted, "state_folder", lambda: tmp_path / "states")
    return lambda: list((tmp_path / "states").glob("*.state"))


@pytest.fixture
def config():
    return CONFIG


@pytest.fixture
def left(scribbled, states, config):
    """A training that an earlier window has left after three steps."""
    steps = kept(Segmenter(SMALL, device="cpu").train_epochs(*scribbled, config), new_spare())
    for step in steps:
        if step.done == 3:
            break
    steps.close()
    assert len(states()) == 1


@pytest.fixture
def dock(make_light_viewer, scribbled, qtbot, monkeypatch):
    monkeypatch.setattr(interrupted, "SEARCH_WAIT_MS", 0)
    viewer = make_light_viewer()
    viewer.add_image(scribbled[0], name="cells")
    viewer.add_labels(scribbled[1], name="strokes")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    dock.session.segmenter = Segmenter(SMALL, device="cpu")
    qtbot.waitUntil(lambda: not dock.label_stats.is_counting)
    yield dock
    dock.session.stop()
    assert dock.wait_idle()


def test_a_training_that_was_left_is_offered_and_resumed(left, dock, scribbled, states, qtbot):
    qtbot.waitUntil(lambda: not dock.offer.isHidden(), timeout=20_000)
    dock.offer.answer("Resume")
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        pass
    whole = Segmenter(SMALL, device="cpu").fit(*scribbled, CONFIG)
    assert dock.session.segmenter.history == whole.history
    assert states() == []
    assert dock.offer.isHidden()


@pytest.mark.parametrize("config", [CONFIG.live()], ids=["live"])
def test_a_live_training_that_was_left_goes_on_live_with_the_labels_as_they_are(
    config, left, dock, states, qtbot
):
    qtbot.waitUntil(lambda: not dock.offer.isHidden(), timeout=20_000)
    dock.viewer.layers["strokes"].data[20, :9] = 2
    dock.offer.answer("Resume")
    assert dock.live.is_on
    assert not dock.config().is_endless  # the form keeps its own settings
    qtbot.waitUntil(lambda: dock.live.live.model is not None, timeout=60_000)
    dock.live.switch.click()
    qtbot.waitUntil(lambda: dock.session.task is None, timeout=60_000)
    assert len(dock.session.segmenter.history) > 3
    assert states() == []


def test_it_is_not_resumed_on_other_labels_and_can_be_discarded(left, dock, states, qtbot):
    qtbot.waitUntil(lambda: not dock.offer.isHidden(), timeout=20_000)
    dock.viewer.layers["strokes"].data[0, 0] = 2
    dock.offer.answer("Resume")
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        pass
    assert "the pixels of the labels of cells have changed" in dock.bar.status.text()
    qtbot.waitUntil(lambda: not dock.offer.isHidden(), timeout=20_000)
    dock.offer.answer("Discard")
    assert states() == []
    assert dock.offer.isHidden()


def stop(dock, qtbot):
    dock.set_config(CONFIG)
    dock.train()
    dock.session.task.is_paused = True  # it is stopped after its first step
    qtbot.waitUntil(lambda: dock.view.loss.steps != [], timeout=60_000)
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.button.click()
    assert dock.bar.status.text().startswith("Stopped.")


def test_a_training_that_was_stopped_is_resumed_from_the_dock(dock, scribbled, states, qtbot):
    stop(dock, qtbot)
    assert dock.offer.isHidden()
    assert "stopped" in dock.start.choices
    dock.start.value = "stopped"
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.train()
    whole = Segmenter(SMALL, device="cpu").fit(*scribbled, CONFIG)
    assert dock.session.segmenter.history == whole.history
    assert states() == []
    assert "stopped" not in dock.start.choices


def test_what_was_stopped_is_not_offered_at_the_next_start(dock, states, qtbot):
    stop(dock, qtbot)
    assert len(states()) == 1
    dock.session._on_window_closed()
    assert states() == []


def test_a_training_is_paused_continued_and_goes_on_from_the_current_model(dock, qtbot):
    assert dock.start.choices == (None,)
    dock.set_config(CONFIG)
    dock.train()
    dock.bar.pause_button.click()
    assert dock.bar.pause_button.text() == "Continue"
    assert dock.session.task.is_paused
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.pause_button.click()
    first = dock.session.segmenter.trained
    assert len(first.history) == 8
    assert dock.start.choices == (None, "current")
    dock.start.value = "current"
    assert "start='current'" in dock.code()
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.train()
    assert dock.session.segmenter.trained.provenance["start"] == first.identity
