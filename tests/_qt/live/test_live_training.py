"""Live training in the Train dock, in a viewer without a canvas."""

import numpy as np
import pytest
from qtpy.compat import isalive

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.live import live_box, live_training, preview

CONFIG = TrainConfig(steps_per_epoch=5, batch_size=2, tile=TileConfig(tile_size=32))
SIZE = 64
SOON = 300_000  # ms
NOT_IN_VIEW = "cells is not in view."


def not_in_view(*_):
    raise ValueError(NOT_IN_VIEW)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The whole image is in view, and nothing waits for a person."""
    view = {"Y": slice(0, SIZE), "X": slice(0, SIZE)}
    monkeypatch.setattr(preview, "view_region", lambda *_: view)
    monkeypatch.setattr(live_training, "FIRST_STEPS", 1)
    monkeypatch.setattr(live_training, "STROKE_SECONDS", 0.0)
    monkeypatch.setattr(live_training, "TELL_SECONDS", 0.0)


@pytest.fixture
def viewer(make_light_viewer):
    viewer = make_light_viewer()
    session(viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    pixels = np.random.default_rng(0).integers(0, 100, (SIZE, SIZE), np.uint8)
    pixels[:, SIZE // 2 :] += 100
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[:16, :20], labels[:16, -20:] = 1, 2
    viewer.add_image(pixels, name="cells")
    viewer.add_labels(labels, name="strokes")
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    dock.set_config(CONFIG)
    qtbot.waitUntil(dock.live.switch.isEnabled)
    yield dock
    if isalive(dock):
        if dock.live.live is not None:
            dock.live.live.stop()
        qtbot.waitUntil(lambda: session(viewer).task is None, timeout=SOON)


def switch_on(dock, qtbot):
    dock.live.switch.click()
    qtbot.waitUntil(lambda: bool(dock.live.shares.text()), timeout=SOON)
    return dock.live.live


def switch_off(dock, qtbot):
    dock.live.switch.click()
    assert dock.live.switch.text() == live_box.STOPPING  # at once
    wait_idle(dock, qtbot)


def wait_idle(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.live.is_on and dock.session.task is None, timeout=SOON)


def previews(viewer):
    return [layer.name for layer in viewer.layers if layer.name.endswith("(live)")]


def test_what_is_painted_is_learned_and_the_view_is_predicted(viewer, dock, qtbot):
    labels = viewer.layers["strokes"]
    live = switch_on(dock, qtbot)
    assert dock.live.switch.text() == live_box.ON
    assert previews(viewer) == ["cells (live)"]
    shown = viewer.layers["cells (live)"]
    assert set(np.unique(shown.data)) <= {1, 2}
    assert not shown.editable
    assert list(viewer.layers).index(shown) < list(viewer.layers).index(labels)
    assert dock.live.status.text().startswith("Live: step")
    assert "class 1" in dock.live.shares.text()
    labels.name = "renamed"  # which changes nothing
    labels.paint((40, 10), 1)
    qtbot.waitUntil(lambda: live.strokes_shown == 1, timeout=SOON)
    switch_off(dock, qtbot)
    trained = dock.session.segmenter.trained
    assert trained.config.is_endless
    assert trained.provenance["trained_on"]
    assert previews(viewer) == []
    layer = next(x for x in viewer.layers if x.name.startswith("cells prediction"))
    qtbot.waitUntil(lambda: dock.session.task is None, timeout=SOON)
    np.testing.assert_array_equal(
        layer.data, dock.session.segmenter.predict(viewer.layers["cells"])
    )
    assert dock.start.value == "current"  # pressed again, it goes on


def test_a_large_view_of_the_pixel_classifier_is_coarse_first(viewer, dock, qtbot, monkeypatch):
    monkeypatch.setattr(preview, "COARSE_FROM", 0)
    session(viewer).segmenter = Segmenter("pixels", device="cpu")
    live, views = switch_on(dock, qtbot), []
    qtbot.waitUntil(lambda: not live._preview.is_busy, timeout=SOON)
    live._preview.shown.connect(views.append)
    viewer.layers["strokes"].paint((40, 10), 1)
    qtbot.waitUntil(lambda: len(views) == 2, timeout=SOON)
    coarse, exact = (view.labels for view in views)
    np.testing.assert_array_equal(coarse, np.kron(coarse[::2, ::2], np.ones((2, 2), coarse.dtype)))
    np.testing.assert_array_equal(coarse[1::2, 1::2], exact[1::2, 1::2])
    segmenter = Segmenter("pixels", device="cpu")
    segmenter.trained = live.model
    np.testing.assert_array_equal(exact, segmenter.predict(viewer.layers["cells"]))
    switch_off(dock, qtbot)


def test_a_new_class_is_learned_by_starting_anew_with_what_was_learned(viewer, dock, qtbot):
    first = switch_on(dock, qtbot)
    viewer.layers["strokes"].data[40:50, :40] = 3
    viewer.layers["strokes"].refresh()
    qtbot.waitUntil(lambda: dock.live.live not in (None, first), timeout=SOON)
    assert "A new class was painted" in dock.live.status.text()
    qtbot.waitUntil(lambda: dock.live.live.model is not None, timeout=SOON)
    model = dock.live.live.model
    assert model.values == (1, 2, 3)
    assert model.provenance["start"] == dock.session.segmenter.trained.identity


def test_a_layer_that_is_removed_ends_it_with_a_sentence(viewer, dock, qtbot):
    switch_on(dock, qtbot)
    viewer.layers.remove("cells")
    wait_idle(dock, qtbot)
    assert "cells was removed" in dock.live.status.text()
    assert dock.session.segmenter.is_trained
    assert previews(viewer) == []


def test_pixels_of_another_type_start_it_anew(viewer, dock, qtbot):
    first = switch_on(dock, qtbot)
    viewer.layers["strokes"].data = viewer.layers["strokes"].data.astype(np.uint16)
    qtbot.waitUntil(lambda: dock.live.live not in (None, first), timeout=SOON)
    assert "another shape or type" in dock.live.live.note


def test_other_labels_of_the_image_start_it_anew(viewer, dock, qtbot):
    first = switch_on(dock, qtbot)
    viewer.add_labels(viewer.layers["strokes"].data.copy(), name="others")
    assert dock.live.live is first
    assert not first.is_stopping
    dock.data.labels.value = viewer.layers["others"]
    qtbot.waitUntil(lambda: dock.live.live not in (None, first), timeout=SOON)
    assert dock.live.live.data.labels is viewer.layers["others"]


def test_another_meaning_of_the_labels_starts_it_anew(viewer, dock, qtbot):
    first = switch_on(dock, qtbot)
    dock.label_stats.semantics.unlabelled.value = None
    qtbot.waitUntil(lambda: dock.live.live not in (None, first), timeout=SOON)
    qtbot.waitUntil(lambda: bool(dock.live.live and dock.live.live.model), timeout=SOON)
    assert dock.live.live.model.values == (0, 1, 2)


def test_another_image_without_labels_ends_it(viewer, dock, qtbot):
    switch_on(dock, qtbot)
    viewer.add_image(np.zeros((30, 30), np.uint8), name="other")
    dock.data.image.value = viewer.layers["other"]
    wait_idle(dock, qtbot)
    assert "image has changed" in dock.live.status.text()


def test_the_pixel_classifier_answers_each_stroke(viewer, dock, qtbot, monkeypatch):
    dock.session.segmenter = Segmenter("pixels", device="cpu")
    dock.set_config(TrainConfig())
    qtbot.waitUntil(dock.live.switch.isEnabled)
    live = switch_on(dock, qtbot)
    for number in (1, 2):
        before = viewer.layers["cells (live)"].data.copy()
        viewer.layers["strokes"].data[20 * number : 20 * number + 10] = number
        viewer.layers["strokes"].refresh()
        qtbot.waitUntil(lambda number=number: live.strokes_shown == number, timeout=SOON)
        assert not np.array_equal(before, viewer.layers["cells (live)"].data)
    qtbot.waitUntil(lambda: dock.live.status.text().endswith("waits for strokes."), timeout=SOON)
    viewer.layers.remove("cells (live)")  # by a person
    dock.live.once.click()
    qtbot.waitUntil(lambda: previews(viewer) == ["cells (live)"], timeout=SOON)
    with monkeypatch.context() as moved:
        moved.setattr(preview, "view_region", not_in_view)
        viewer.scene.camera.center = 0, 999, 999
        qtbot.waitUntil(lambda: NOT_IN_VIEW in dock.live.status.text(), timeout=SOON)
    viewer.scene.camera.center = 0, 30, 30
    qtbot.waitUntil(lambda: NOT_IN_VIEW not in dock.live.status.text(), timeout=SOON)
    switch_off(dock, qtbot)
    assert dock.session.segmenter.is_trained
    prediction = next(x for x in viewer.layers if x.name.startswith("cells prediction"))
    switch_on(dock, qtbot)
    assert not prediction.visible  # it would show through
    switch_off(dock, qtbot)
    assert prediction.visible


def test_a_closed_dock_leaves_it_running_and_a_new_one_finds_it(viewer, dock, qtbot):
    live = switch_on(dock, qtbot)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.waitUntil(lambda: not isalive(dock))
    again = TrainDock(viewer)
    viewer.window.add_dock_widget(again, name="Train")
    assert again.live.live is live
    switch_off(again, qtbot)
