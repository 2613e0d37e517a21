import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pictures
from qtpy.compat import isalive
from qtpy.QtGui import QGuiApplication

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, session
from napari_segkit._qt.docks.train import label_stats_box
from napari_segkit._qt.docks.train.loss_curve import LossCurve
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.docks.train.train_form import TrainForm
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session import runner
from napari_segkit._qt.widgets.dock import Note
from napari_segkit.config import FeatureConfig
from napari_segkit.steps import Step
from napari_segkit.training.events import TrainStep

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=3, batch_size=2, tile=TileConfig(tile_size=64), validation=None
)
LONG = replace(QUICK, epochs=1000)
PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)


def scribbles():
    data = np.zeros((64, 64), np.uint8)
    data[:16], data[48:] = 1, 2
    return data


@pytest.fixture
def viewer(make_light_viewer):
    viewer = make_light_viewer()
    session(viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"))  # trains fastest
    return viewer


@pytest.fixture
def opened(viewer, qtbot):
    docks = []

    def open_dock():
        dock = TrainDock(viewer)
        viewer.window.add_dock_widget(dock, name="Train")
        docks.append(dock)
        qtbot.waitUntil(lambda: not dock.label_stats.is_counting)
        return dock

    yield open_dock
    for dock in filter(isalive, docks):
        assert dock.wait_idle()


@pytest.fixture
def dock(viewer, opened):
    viewer.add_image(PIXELS, name="cells", scale=(2, 2))
    viewer.add_labels(scribbles(), name="strokes", scale=(2, 2))
    return opened()


def counted(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.label_stats.is_counting)


def train(qtbot, dock, config=QUICK):
    dock.set_config(config)
    counted(qtbot, dock)
    with qtbot.waitSignal(dock.bar.finished, timeout=120_000):
        dock.bar.button.click()


def start(qtbot, dock):
    dock.set_config(LONG)
    counted(qtbot, dock)
    with qtbot.waitSignal(dock.bar.yielded, timeout=120_000):
        dock.bar.button.click()


def test_says_what_is_missing(viewer, opened, qtbot):
    dock = opened()
    assert dock.bar.hint.text().startswith("No Image layer")
    assert not dock.bar.button.isEnabled()
    assert not dock.data.new_button.isEnabled()
    viewer.add_image(PIXELS)
    assert dock.bar.hint.text().startswith("No Labels layer")


def test_new_labels_fit_the_image_and_the_brush_is_ready(viewer, opened, qtbot):
    image = viewer.add_image(np.zeros((3, 64, 64)), scale=(1, 0.5, 0.5), translate=(0, 7, 7))
    dock = opened()
    dock.data.axes.value = "CYX"
    dock.data.new_button.click()
    layer = dock.data.labels.value
    assert layer.data.shape == (64, 64)
    np.testing.assert_array_equal(layer.scale, image.scale[1:])
    np.testing.assert_array_equal(layer.translate, image.translate[1:])
    assert [c.name for c in dock.classes.classes] == ["object", "background"]
    assert (layer.mode, layer.selected_label) == ("paint", 1)
    counted(qtbot, dock)
    assert "Nothing is labelled" in dock.bar.hint.text()


def test_auto_shows_the_axes_it_resolves_to(viewer, opened):
    viewer.add_image(np.zeros((64, 64, 3), np.uint8), rgb=True)
    dock = opened()
    assert dock.data.axes.native.itemText(0) == "auto (YXC)"
    assert dock.data.axes.value is None


def test_pixels_are_counted_as_they_are_painted_and_undone(dock, qtbot):
    counts = {1: 1024, 2: 1024}
    layer = dock.data.labels.value
    assert dock.classes.counts == counts
    layer.data_setitem((np.arange(10), np.zeros(10, int)), 3)
    qtbot.waitUntil(lambda: dock.classes.counts == {1: 1014, 2: 1024, 3: 10})
    assert "fewer than 50" in dock.label_stats.text.text()
    layer.undo()
    qtbot.waitUntil(lambda: dock.classes.counts == counts)


def test_counting_is_not_done_on_the_gui_thread(dock, qtbot, monkeypatch):
    threads = []
    look = label_stats_box.count_labels

    def spy(*args, **choices):
        threads.append(threading.current_thread())
        return look(*args, **choices)

    monkeypatch.setattr(label_stats_box, "count_labels", spy)
    dock.data.labels.value.paint((30, 30), 2)
    qtbot.waitUntil(lambda: bool(threads) and not dock.label_stats.is_counting)
    assert threading.main_thread() not in threads


def test_hidden_labels_are_not_the_first_choice(viewer, opened):
    viewer.add_image(PIXELS)
    shown = viewer.add_labels(scribbles(), name="strokes")
    viewer.add_labels(scribbles(), name="truth", visible=False)
    assert opened().data.labels.value is shown


def one_class(viewer, opened):
    data = np.zeros((64, 64), np.uint8)
    data[:16] = 1
    viewer.add_image(PIXELS)
    viewer.add_labels(data)
    return opened()


PAINT_BACKGROUND = "Paint background as a class"
ALL_BACKGROUND = "Use all unpainted pixels as background"
MERGE_IDS = "Instance ids: merge into one foreground class"
FIND_OBJECTS = "Train to find single objects"


def offered(dock):
    return dock.label_stats.remedies.offered


def test_background_can_be_painted_as_second_class(viewer, opened):
    dock = one_class(viewer, opened)
    assert offered(dock) == [PAINT_BACKGROUND, ALL_BACKGROUND]
    assert not dock.bar.button.isEnabled()
    dock.label_stats.remedies.answer(PAINT_BACKGROUND)
    assert [(c.value, c.name) for c in dock.classes.classes] == [(1, "class 1"), (2, "background")]
    assert dock.data.labels.value.selected_label == 2


def test_unpainted_pixels_can_be_used_as_background(viewer, opened, qtbot):
    dock = one_class(viewer, opened)
    dock.label_stats.remedies.answer(ALL_BACKGROUND)
    counted(qtbot, dock)
    assert dock.config().unlabelled is None
    assert dock.classes.counts == {0: 3072, 1: 1024}
    assert [c.name for c in dock.classes.classes] == ["background", "class 1"]
    assert dock.bar.button.isEnabled()
    assert offered(dock) == []


def test_instance_ids_can_be_merged_into_one_class(viewer, opened, qtbot):
    viewer.add_image(PIXELS)
    ids = np.zeros((64, 64), np.uint16)
    for i in range(8):
        ids[8 * i : 8 * i + 6, :20] = i + 1
    viewer.add_labels(ids)
    dock = opened()
    counted(qtbot, dock)
    assert offered(dock) == [MERGE_IDS, "Class labels: keep them as they are", FIND_OBJECTS]
    assert (
        "or Objects: Distance transform + watershed to train on single objects."
        in dock.bar.hint.text()
    )
    dock.label_stats.remedies.answer(MERGE_IDS)
    counted(qtbot, dock)
    assert dock.config().labels_are == "objects"
    assert dock.classes.counts == {0: 3136, 1: 960}
    assert dock.bar.button.isEnabled()


def test_labels_of_another_shape_are_rejected(viewer, opened, qtbot):
    viewer.add_image(PIXELS)
    labels = viewer.add_labels(np.ones((32, 32), np.uint8))
    dock = opened()
    dock.data.labels.value = labels
    counted(qtbot, dock)
    assert "shape (32, 32)" in dock.bar.hint.text()
    assert not dock.bar.button.isEnabled()


def test_inconsistent_numbers_are_reported(dock):
    dock.form.tile.tile_size.value = 64
    dock.form.tile.overlap.value = 48
    assert "at most half of it" in dock.bar.hint.text()
    assert not dock.bar.button.isEnabled()


def test_the_button_trains_and_the_curve_shows_it(dock, qtbot):
    assert dock.view.isHidden()
    train(qtbot, dock)
    segmenter = dock.session.segmenter
    assert segmenter.is_trained
    assert dock.curve.losses == list(segmenter.history)
    assert len(segmenter.history) == 3
    assert dock.bar.status.text() == "Training finished. Apply the model in the Predict dock."
    assert dock.bar.button.text() == "Train"


def test_a_training_that_ends_early_says_so(dock, qtbot, monkeypatch):
    def training(*_, **__):
        yield TrainStep(3, 6, epoch=1, loss=1.0, seconds=1, images=6)

    monkeypatch.setattr(Segmenter, "train_epochs", training)
    train(qtbot, dock)
    assert dock.bar.status.text().startswith("Training ended after 3 of 6 steps (6 patches), bec")


def test_colours_on_screen_become_the_classes_colours(dock, qtbot):
    on_screen = [c.color for c in dock.classes.classes]
    train(qtbot, dock)
    assert [c.color for c in dock.session.segmenter.classes] == on_screen


def test_the_copied_python_does_the_same(dock, viewer, qtbot):
    train(qtbot, dock)
    history = dock.session.segmenter.history
    dock.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "TrainConfig(epochs=1, steps_per_epoch=3" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(dock.session.task.finished, timeout=120_000):
        pass
    assert dock.session.segmenter.history == history


def test_stop_keeps_the_trained_model(dock, qtbot):
    start(qtbot, dock)
    assert dock.bar.button.text() == "Stop"
    assert "step" in dock.bar.status.text()
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.button.click()
    assert dock.session.segmenter.is_trained
    assert dock.bar.button.text() == "Train"
    assert dock.bar.status.text().startswith("Stopped")


def test_strokes_during_training_are_used_by_the_next_one(dock, qtbot):
    start(qtbot, dock)
    dock.data.labels.value.data[20:40] = 3
    dock.session.stop()
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        pass
    assert [c.value for c in dock.session.segmenter.classes] == [1, 2]


def test_layers_can_be_deleted_during_training(dock, viewer, qtbot):
    start(qtbot, dock)
    viewer.layers.clear()
    assert dock.bar.button.isEnabled()
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.button.click()
    assert dock.session.segmenter.is_trained
    assert dock.bar.hint.text().startswith("No Image layer")


def test_a_dock_opened_again_follows_the_training(dock, opened, viewer, qtbot):
    start(qtbot, dock)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    again = opened()
    assert again.bar.is_running
    with qtbot.waitSignal(again.bar.finished, timeout=60_000):
        again.bar.button.click()
    assert again.session.segmenter.is_trained


def test_closing_the_window_ends_the_training(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(PIXELS)
    viewer.add_labels(scribbles())
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    start(qtbot, dock)
    session = dock.session
    task = session.task
    with qtbot.waitSignal(task.finished, timeout=60_000):
        viewer.close()
    assert session.segmenter.is_trained


def test_the_reason_for_a_failed_training_is_shown(dock, qtbot):
    dock.session.segmenter.device = "cuda:7"
    train(qtbot, dock)
    assert "device is 'cuda:7', which is not available" in dock.bar.status.text()
    assert not dock.session.segmenter.is_trained


def test_predictions_are_no_default_training_labels(viewer, opened):
    viewer.add_image(PIXELS)
    strokes = viewer.add_labels(scribbles(), name="strokes", visible=False)
    made = {"segkit": {"kind": "prediction"}}
    prediction = viewer.add_labels(scribbles(), name="made", metadata=made)
    viewer.add_labels(scribbles(), name="cells truth")
    dock = opened()
    assert dock.data.labels.value is strokes
    viewer.layers.remove("strokes")
    assert dock.data.labels.value is None
    assert dock.bar.hint.text().startswith("No Labels layer chosen")
    dock.data.labels.value = prediction
    assert dock.data.labels.value is prediction


def test_new_labels_follow_the_axes_on_screen(viewer, opened, qtbot):
    viewer.add_image(np.zeros((2, 64, 64), np.uint8))
    viewer.add_labels(scribbles(), name="strokes")
    dock = opened()
    assert dock.data.axes.current_choice == "auto (CYX)"
    dock.data.new_button.click()
    assert dock.data.labels.value.data.shape == (64, 64)
    dock.data.axes.value = "ZYX"
    dock.data.new_button.click()
    assert dock.data.labels.value.data.shape == (2, 64, 64)


def test_ambiguous_axes_are_reported(viewer, opened):
    viewer.add_image(np.zeros((2,) * 6, np.uint8))
    dock = opened()
    assert not dock.data.new_button.isEnabled()
    assert dock.data.new_button.toolTip() == dock.bar.hint.text() != ""


def test_another_layer_is_counted_before_it_is_trained_on(dock, viewer, qtbot):
    assert dock.bar.button.isEnabled()
    dock.data.labels.value = viewer.add_labels(scribbles(), name="more")
    assert dock.label_stats.text.text() == "Counting …"
    assert not dock.bar.button.isEnabled()
    assert dock.bar.hint.text() == "The labels are being counted."
    counted(qtbot, dock)
    assert dock.bar.button.isEnabled()


def test_label_semantics_are_kept_per_pair_of_layers(dock, viewer, qtbot):
    first = dock.data.labels.value
    dock.label_stats.semantics.set_value(None, "classes")
    dock.data.labels.value = viewer.add_labels(scribbles(), name="more")
    assert dock.label_stats.semantics.value == {"unlabelled": 0, "labels_are": "ask"}
    dock.data.labels.value = first
    assert dock.label_stats.semantics.value == {"unlabelled": None, "labels_are": "classes"}


def test_axes_are_kept_per_image_and_offered_for_others_of_its_shape(viewer, opened):
    one = viewer.add_image(np.zeros((9, 16, 16), np.uint8), name="one")
    dock = opened()
    dock.data.axes.value = "TYX"
    dock.data.image.value = viewer.add_image(np.zeros((8, 16, 16), np.uint8), name="two")
    assert dock.data.axes.value is None
    dock.data.image.value = one
    assert dock.data.axes.value == "TYX"
    dock.data.image.value = viewer.add_image(np.zeros((9, 16, 16), np.uint8), name="three")
    assert dock.data.axes.native.currentText() == "TYX (as for one)"


def test_any_value_can_be_typed_as_unlabelled(dock):
    semantics = dock.label_stats.semantics
    box = semantics.unlabelled.native
    accepted = {"37": 37, "none": None, " 7 ": 7, "-1": 0, "seven": 0, "0": 0}
    for text, value in accepted.items():
        semantics.set_value(0, "ask")
        box.lineEdit().setText(text)
        box.lineEdit().editingFinished.emit()
        assert dock.config().unlabelled == value
        assert box.currentText() == box.itemText(box.currentIndex())


def test_moving_to_another_slice_counts_nothing(viewer, opened, qtbot):
    viewer.add_image(np.zeros((4, 64, 64), np.uint8))
    layer = viewer.add_labels(np.stack([scribbles()] * 4))
    dock = opened()
    viewer.dims.set_point(0, 0)
    counted(qtbot, dock)
    viewer.dims.set_point(0, 2)
    assert not dock.label_stats.is_counting
    layer.data_setitem((np.array([2]), np.array([30]), np.array([30])), 3)
    qtbot.waitUntil(lambda: 3 in dock.classes.counts)
    layer.undo()
    qtbot.waitUntil(lambda: 3 not in dock.classes.counts)


def test_a_click_while_training_starts_is_ignored(dock, qtbot, monkeypatch):
    dock.set_config(QUICK)
    counted(qtbot, dock)
    made = runner.Progress

    def impatient(*args):
        dock.bar.button.click()
        return made(*args)

    monkeypatch.setattr(runner, "Progress", impatient)
    with qtbot.waitSignal(dock.bar.finished, timeout=60_000):
        dock.bar.button.click()
    assert len(dock.session.segmenter.history) == 3


def test_missing_weights_are_reported_and_random_ones_offered(dock, qtbot, monkeypatch):
    options = {"encoder_depth": 3, "decoder_channels": (16, 8, 8)}  # a small network
    spec = ModelSpec("unet", weights="imagenet", options=options)
    dock.session.segmenter = Segmenter(spec, device="cpu")
    train(qtbot, dock)
    assert not dock.session.segmenter.is_trained
    assert "imagenet" in dock.bar.status.text()
    assert not dock.random_button.isHidden()
    with qtbot.waitSignal(dock.bar.finished, timeout=120_000):
        dock.random_button.click()
    assert dock.session.segmenter.is_trained
    assert dock.session.segmenter.spec.weights is None
    assert dock.random_button.isHidden()


def test_a_model_that_does_not_fit_the_image_is_reported_before_training(dock):
    dock.session.segmenter = Segmenter(ModelSpec("unet3d", dims="3D"), device="cpu")
    assert "has no Z" in dock.bar.hint.text()
    assert not dock.bar.button.isEnabled()


def test_options_unused_by_a_pixel_classifier_are_greyed_out(dock):
    dock.session.segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    epochs = dock.form.epochs
    assert not epochs.enabled
    assert epochs.tooltip == "Not used by this method."
    assert dock.form.normalise.enabled
    dock.session.segmenter = Segmenter(device="cpu")
    assert epochs.enabled
    assert "Not used" not in epochs.tooltip


def test_steps_without_a_loss_are_counted(dock):
    dock._on_step(Step(3, 12))
    assert dock.bar.status.text() == "Step 3 of 12"
    assert dock.curve.losses == []


def test_the_form_of_a_closed_dock_is_left_alone(dock, qtbot):
    form = TrainForm(dock.session)
    form.native.deleteLater()
    qtbot.waitUntil(lambda: not isalive(form.native))
    dock.session.config = TrainConfig(epochs=9)
    dock.session.segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    assert dock.form.value.epochs == 9


def test_options_are_kept_when_the_dock_is_opened_again(dock, opened):
    dock.form.epochs.value = 7
    assert dock.session.config.epochs == 7
    assert opened().config().epochs == 7


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (ModelSpec("unet", encoder="tu-nonsense"), "nonsense"),
        (ModelSpec("pixels", features=FeatureConfig(window=4)), "Window is 4"),
        (ModelSpec("pixels", features=FeatureConfig(largest_scale=0.4)), "the smallest must not"),
    ],
)
def test_a_model_that_cannot_be_built_is_not_trained(dock, qtbot, spec, problem):
    dock.session.segmenter = Segmenter(spec, device="cpu")
    qtbot.waitUntil(lambda: problem in dock.bar.hint.text(), timeout=60_000)
    assert not dock.bar.button.isEnabled()
    dock.session.segmenter = Segmenter(device="cpu")
    assert dock.bar.button.isEnabled()
    assert "<b>U-Net</b>" in dock.model.text()


def test_the_curve_shows_the_history_after_training(dock, qtbot):
    dock.session.segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    train(qtbot, dock)
    assert dock.curve.losses == list(dock.session.segmenter.history)
    assert dock.curve.steps[0] == 1


@pytest.mark.parametrize("losses", [[0.5, 0.2], [0.0002, 0.0001], [12_345.0, 6789.0]])
def test_axis_labels_are_not_cut_off(qtbot, losses):
    curve = LossCurve("dark")
    qtbot.addWidget(curve)
    curve.set_losses(losses * 1000)
    curve.resize(340, curve.height())
    with qtbot.waitExposed(curve):
        curve.show()
    plot = curve.plot
    view = plot.mapToScene(plot.viewport().rect()).boundingRect()
    for side, text in {"left": "loss", "bottom": "step"}.items():
        label = plot.getAxis(side).label
        assert label.toPlainText().strip() == text
        assert view.contains(label.mapRectToScene(label.boundingRect()))


def test_a_note_reserves_the_height_of_a_later_text(qtbot):
    note = Note("one line")
    qtbot.addWidget(note)
    note.resize(200, 20)
    note.setText("many words " * 20)
    assert note.minimumHeight() == note.heightForWidth(200) > 40


def test_a_mask_of_0_and_255_makes_0_the_background(viewer, opened, qtbot):
    viewer.add_image(PIXELS)
    viewer.add_labels(np.where(scribbles() == 1, 255, 0).astype(np.uint8), name="mask")
    painted = viewer.add_labels(scribbles(), name="strokes")
    dock = opened()
    dock.data.labels.value = viewer.layers["mask"]
    counted(qtbot, dock)
    assert dock.config().unlabelled is None
    assert dock.classes.counts == {0: 3072, 255: 1024}
    assert "0 is taken as the background" in dock.label_stats.text.text()
    assert dock.bar.button.isEnabled()
    dock.data.labels.value = painted
    counted(qtbot, dock)
    assert dock.config().unlabelled == 0
    assert "background" not in dock.label_stats.text.text()


def test_a_photo_that_napari_does_not_turn_is_told(viewer, tmp_path, qtbot):
    exif = Pictures.Exif()
    exif[274] = 6
    Pictures.fromarray(PIXELS[:48]).save(tmp_path / "photo.jpg", exif=exif)
    (photo,) = viewer.open(tmp_path / "photo.jpg", plugin="napari")
    assert photo.data.shape == (48, 64)
    viewer.add_labels(np.ones((64, 48), np.uint8), name="upright")
    viewer.add_labels(scribbles()[8:56], name="strokes")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    dock.data.labels.value = viewer.layers["upright"]
    counted(qtbot, dock)
    assert "photo: its file has the orientation tag 6, and napari shows it" in dock.bar.hint.text()
    segmenter = Segmenter(ModelSpec("pixels"))
    with pytest.warns(UserWarning, match="photo: its file has the orientation tag 6"):
        segmenter.fit(snapshot(photo), viewer.layers["strokes"])
    assert dock.wait_idle()
