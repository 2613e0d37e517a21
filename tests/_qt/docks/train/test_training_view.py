"""Curves, scores, pictures and held-out regions of the Train dock."""

from math import nan
from types import SimpleNamespace

import numpy as np
import pytest
from pandas import read_csv
from PIL import Image as Pictures
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_segkit._qt.docks.train import data_pictures, prediction_pictures
from napari_segkit._qt.docks.train.step_text import describe_end, describe_step
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.docks.train.training_view import PICTURES, SCORES, TrainingView
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.session import session
from napari_segkit._qt.session.task import Task
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit._qt.widgets.picture import PictureWindow
from napari_segkit.config import TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.training.commands import Snapshot
from napari_segkit.training.events import SnapshotStep, TrainStep, ValidationStep
from napari_segkit.training.held_out import HeldOut

CLASSES = [LabelClass(1, "cell", "#ff0000"), LabelClass(2, "gap", "#00ff00")]
PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def train_step(done):
    return TrainStep(done, 30, epoch=done // 10 + 1, loss=1 / done, seconds=done, images=done)


def validation(done, score, *, is_best=True, **figures):
    figures = {"iou": {1: 0.5, 2: 0.25}, "dice": {1: 0.7, 2: 0.4}} | figures
    return ValidationStep(
        done, 30, done // 10, score, is_best, loss=2 / done, pixels=12_345, images=2, **figures
    )


@pytest.fixture
def viewer(make_light_viewer):
    return make_light_viewer()


@pytest.fixture
def view(viewer, qtbot):
    view = TrainingView(session(viewer))
    qtbot.addWidget(view)
    return view


def shown(view, tab):
    return view.tabs.isTabVisible(tab)


def test_there_is_nothing_to_see_before_a_training(view):
    assert view.isHidden()
    view.add_step(train_step(1))
    assert not view.isHidden()
    assert not shown(view, SCORES)
    assert not shown(view, PICTURES)


def test_scores_are_told_with_what_they_rest_on(view):
    view.start([], None, CLASSES)
    for done, score in ((10, 0.5), (20, 0.75), (30, 0.625)):
        view.add_step(train_step(done))
        view.add_validation(validation(done, score, is_best=done <= 20))
    assert shown(view, SCORES)
    assert view.text.text() == (
        "Best of epoch 2: mean Dice 0.750 (epoch 3: 0.625), mean IoU 0.375. IoU (Dice): gap 0.25 "
        "(0.40), cell 0.50 (0.70), on 12345 pixels of 2 images."
    )
    assert view.loss.plot.best_step == view.scores.plot.best_step == 20


def test_objects_have_other_scores(view):
    view.start([], None, CLASSES)
    view.add_step(train_step(10))
    view.add_validation(validation(10, 0.5, iou={}, dice={}, f1=0.5, ap=0.25, objects=7))
    assert view.text.text().startswith("Best of epoch 1: F1 0.500, AP 0.250, on 7 objects")


def test_classes_that_are_absent_are_left_out(view):
    view.start([], None, CLASSES)
    view.add_step(train_step(10))
    view.add_validation(validation(10, 0.5, iou={1: 0.5, 2: nan}, dice={1: 0.5, 2: nan}))
    assert "gap" not in view.text.text()


def test_a_validation_is_not_lost_among_steps(view, qtbot):
    def steps():
        for done in range(1, 31):
            yield train_step(done)
            if done % 10 == 0:
                yield validation(done, 0.5)

    task, seen = Task(steps()), []
    task.yielded.connect(seen.append)
    with qtbot.waitSignal(task.finished, timeout=10_000):
        task.start()
    assert [s.done for s in seen if isinstance(s, ValidationStep)] == [10, 20, 30]
    assert train_step(30) in seen


def test_where_a_training_is_is_told():
    step = TrainStep(25, 200, epoch=3, loss=0.4123, seconds=20, images=100, seconds_left=140)
    assert describe_step(step, TrainConfig()) == (
        "Epoch 3 of 20, step 25 of 200, loss 0.412, 2:20 left"
    )
    only_minutes = TrainConfig(epochs=None, minutes=5)
    assert describe_step(step, only_minutes) == "Epoch 3, step 25, loss 0.412, 2:20 left"


@pytest.mark.parametrize(
    ("config", "seconds", "expected"),
    [
        (TrainConfig(), 20, "Training ended after 25 of 30 steps (50 patches), because the loss"),
        (TrainConfig(minutes=1), 20, "Training ended after 25 of 30 steps (50 patches), because"),
        (TrainConfig(minutes=1), 59, "The time limit is reached after 25 of 30 steps"),
        (TrainConfig(epochs=None, minutes=1), 59, "The time limit is reached after 25 steps (50"),
        (TrainConfig(patience=2), 20, "Training ended after 25 of 30 steps (50 patches): 2 valid"),
        (TrainConfig(patience=3), 20, "Training ended after 25 of 30 steps (50 patches), because"),
    ],
)
def test_why_a_training_ended_early_is_told(config, seconds, expected):
    last = TrainStep(25, 30, epoch=3, loss=1.0, seconds=seconds, images=50)
    worse = [validation(done, 0.5, is_best=done == 10) for done in (10, 15, 20)]
    assert describe_end(last, config, worse).startswith(expected)


def test_the_history_is_saved_as_a_table_or_as_curves(view, qtbot, tmp_path):
    view._session.segmenter.trained = SimpleNamespace(
        history=(1.0, 0.5),
        provenance={"validations": [{"step": 2, "epoch": 1, "score": 0.75, "is_best": True}]},
    )
    view.history.save(tmp_path / "a")
    qtbot.waitUntil(lambda: view.history.status.text() == f"Saved as {tmp_path / 'a.csv'}.")
    table = read_csv(tmp_path / "a.csv")
    assert table["loss"].tolist() == [1.0, 0.5]
    assert table["validation_score"].tolist()[1:] == [0.75]
    view.history.save(tmp_path / "a")  # the dialog has not asked about a.csv
    qtbot.waitUntil(lambda: "exists already" in view.history.status.text())
    view.history.save(tmp_path / "a.png")
    qtbot.waitUntil(lambda: view.history.status.text() == f"Saved as {tmp_path / 'a.png'}.")
    with Pictures.open(tmp_path / "a.png") as curves:
        assert curves.width > 100
    view._session.segmenter.trained = None


def held_out(mask, **how):
    return HeldOut(**{"how": "regions", "about": "Validation: a corner."} | how, masks=[mask])


def begin(view, viewer, held, axes=None):
    layer = viewer.layers[0]
    view.start([snapshot(layer)], axes, CLASSES)
    view._session.segmenter.held_out = held
    view.add_step(train_step(1))


def test_held_out_regions_are_hatched_on_the_canvas(view, viewer, qtbot):
    viewer.add_image(np.zeros((3, 64, 64)), scale=(1, 2, 2), translate=(0, 5, 5), name="cells")
    painted = viewer.add_labels(np.zeros((64, 64), np.uint8), name="strokes")
    viewer.layers.selection = {painted, viewer.layers["cells"]}
    viewer.layers.selection.active = painted
    before = set(viewer.layers.selection)
    mask = np.zeros((64, 64), bool)
    mask[:20, 30:] = True
    begin(view, viewer, held_out(mask), "CYX")
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    layer = viewer.layers["cells held out"]
    lines = layer.data > 0
    assert lines.any()
    assert 0 < lines[mask].mean() < 1
    assert not lines[~mask].any()
    np.testing.assert_array_equal(layer.scale, (2, 2))
    np.testing.assert_array_equal(layer.translate, (5, 5))
    assert viewer.layers.selection.active is painted
    assert set(viewer.layers.selection) == before
    assert LayerChoice(viewer, "labels").choices == (painted,)
    assert view.about.text() == "Validation: a corner."
    view.start([], None, CLASSES)
    assert "cells held out" not in viewer.layers


def test_without_validation_the_dock_says_so(view, viewer, qtbot):
    viewer.add_image(PIXELS)
    begin(view, viewer, HeldOut(None, "No validation: gap is labelled in one stroke only."))
    assert view.about.text() == "No validation: gap is labelled in one stroke only."
    assert len(viewer.layers) == 1
    view.show_history([0.5], [], CLASSES)  # another model
    assert view.about.text() == ""


@pytest.fixture
def drawn(monkeypatch):
    models = []

    def draw(model, images, device):
        models.append(model)
        return np.full((20, 60, 3), len(models), np.uint8)

    monkeypatch.setattr(prediction_pictures, "_draw", draw)
    return models


class RunningTraining(QObject):
    answered = Signal(object)

    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, command):
        self.sent.append(command)


def test_pictures_are_drawn_of_the_running_training_and_of_its_model(view, qtbot, drawn):
    segmenter, training = view._session.segmenter, RunningTraining()
    view.start([], None, CLASSES)
    segmenter.held_out = HeldOut("images", "", images=[object()])
    view._session._task = training
    view.add_step(train_step(10))
    for done in (10, 20):  # the second is too soon
        view.add_validation(validation(done, 0.5))
    assert training.sent == [Snapshot()]
    training.answered.emit(SnapshotStep(11, 30, "copy"))
    qtbot.waitUntil(lambda: view.pictures.picture is not None)
    assert shown(view, PICTURES)
    view._session._task = None
    segmenter.trained = SimpleNamespace(history=())
    view.finish()
    qtbot.waitUntil(lambda: view.pictures.picture[0, 0, 0] == 2)
    assert drawn == ["copy", segmenter.trained]
    segmenter.trained = None


def test_nothing_is_predicted_where_nothing_is_held_out(view, drawn):
    view._session.segmenter.held_out = HeldOut(None, "No validation: it is switched off.")
    view._session.segmenter.trained = SimpleNamespace(history=())
    view.finish()
    assert not view.pictures._drawing.is_busy
    view._session.segmenter.trained = None


def test_a_picture_is_saved_in_the_background(qtbot, tmp_path):
    parent = QWidget()
    qtbot.addWidget(parent)
    window = PictureWindow(parent, "Pairs", "pairs.png")
    picture = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    window.show_picture(picture)
    window.save(tmp_path / "a")
    qtbot.waitUntil(lambda: window.status.text() == f"Saved as {tmp_path / 'a.png'}.")
    with Pictures.open(tmp_path / "a.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), picture)
    window.save(tmp_path / "a")  # the dialog has not asked about a.png
    qtbot.waitUntil(lambda: "exists already" in window.status.text())


@pytest.fixture
def dock(viewer, qtbot):
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    yield dock
    assert dock.wait_idle()


@pytest.mark.parametrize("name", ["pairs", "augmentation"])
def test_buttons_show_what_would_be_read(dock, viewer, qtbot, name):
    button = getattr(dock, name)
    button.button.click()
    assert button.note.text().startswith("No Image layer")
    viewer.add_image(PIXELS, name="cells")
    strokes = np.zeros((64, 64), np.uint8)
    strokes[:16], strokes[48:] = 1, 2
    viewer.add_labels(strokes)
    button.button.click()
    qtbot.waitUntil(lambda: button.window_of_picture._picture is not None, timeout=30_000)
    assert button.note.text() == ""
    assert len(np.unique(button.window_of_picture._picture)) > 10
    button.window_of_picture.close()


def test_a_picture_that_cannot_be_drawn_is_told(dock, viewer, qtbot, monkeypatch):
    def fail(*_, **__):
        raise ValueError("The labels hold fractions.")

    monkeypatch.setattr(data_pictures, "picture_of_set", fail)
    viewer.add_image(PIXELS)
    viewer.add_labels(np.zeros((64, 64), np.uint8))
    dock.pairs.button.click()
    qtbot.waitUntil(lambda: "fractions" in dock.pairs.note.text())
