"""Choosing a model in the Model dock."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, list_models
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.session.background import has_pending_calls
from napari_segkit.models import resolve
from napari_segkit.models.presets import PRESETS

MS = 60_000


def can_choose(methods, name):
    return not methods._items[name].isDisabled()


def open_dock(viewer):
    dock = ModelDock(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


@pytest.fixture
def viewer(make_light_viewer):
    return make_light_viewer()


@pytest.fixture
def dock(viewer):
    dock = open_dock(viewer)
    yield dock
    assert dock.wait_idle()


@pytest.fixture
def shown(make_light_viewer, qtbot):
    """A dock that is really on screen, so that it looks for details."""
    dock = open_dock(make_light_viewer(show=True))
    qtbot.waitUntil(dock.details.isVisible)
    yield dock
    assert dock.wait_idle()


@pytest.fixture
def train_dock(dock, viewer):
    train_dock = TrainDock(viewer)
    viewer.window.add_dock_widget(train_dock)
    yield train_dock
    assert train_dock.wait_idle()


def choose_method(dock, name):
    """Choose a method as a click on it does."""
    tree = dock.form.methods.tree
    tree.setCurrentItem(dock.form.methods._items[name])


def type_in(qtbot, dock, text):
    line = dock.form.encoder.box.lineEdit()
    line.selectAll()
    qtbot.keyClicks(line, text)
    dock.form.encoder.box.completer().popup().hide()
    qtbot.keyClick(line, Qt.Key.Key_Return)


def choose_preset(dock, name):
    dock.preset.native.setCurrentText(name)


def choose_weights(dock, text):
    dock.form.weights.native.setCurrentText(text)


def test_every_method_is_listed(dock):
    assert dock.form.methods.matches() == [m.name for m in list_models()]
    assert list_models()[0].about in dock.details.text()


def test_search_matches_names_titles_and_descriptions(dock):
    for text, matches in {
        "segnet": ["segnet"],
        "SEGN": ["segnet"],
        "tumours organs": ["segresnet"],
        "coco vgg": [],
        "vgg13_bn imagenet segnet": ["segnet"],
        "2d 3d scribbles": ["pixels"],
        "xyz": [],
    }.items():
        dock.form.methods.search.value = text
        assert dock.form.methods.matches() == matches
        assert not dock.form.methods._items["unet"].isHidden()
        assert bool(dock.form.methods.no_match.text()) == (not matches)
    assert dock.session.segmenter.spec.name == "unet"
    dock.form.methods.search.value = ""
    assert len(dock.form.methods.matches()) == len(list_models())


def test_methods_are_filtered_by_dimensions_and_kind(dock):
    methods = dock.form.methods
    methods.dims.value = "3D"
    assert methods.matches() == [m.name for m in list_models() if 3 in m.dims]
    methods.search.value = "volumes"
    assert "pixels" not in methods.matches()
    assert "unet3d" in methods.matches()
    assert methods.kind.choices[1:] == tuple(dict.fromkeys(m.kind for m in list_models()))
    methods.kind.value = "semantic"
    assert "unet3d" in methods.matches()


def test_an_untrained_model_is_replaced_by_a_click(dock):
    choose_method(dock, "segnet")
    assert dock.session.segmenter.spec == ModelSpec("segnet", encoder="vgg11_bn")
    assert "SegNet" in dock.summary.text()
    assert dock.session.task is None


def test_the_encoder_follows_the_method_unless_it_was_chosen(dock):
    choose_method(dock, "pixels")
    assert dock.form.encoder.value == "filters"
    choose_method(dock, "unet")
    assert dock.form.encoder.value == "resnet18"
    dock.form.encoder.value = "resnet50"
    choose_method(dock, "fpn")
    assert dock.session.segmenter.spec == ModelSpec("fpn", encoder="resnet50")
    choose_method(dock, "unet3d")
    assert dock.session.segmenter.spec == ModelSpec("unet3d", encoder="small")


def test_encoders_are_found_by_any_part_of_their_names(dock, qtbot):
    completer = dock.form.encoder.box.completer()
    completer.setCompletionPrefix("ENET_v2")
    assert completer.currentCompletion() == "mobilenet_v2"
    type_in(qtbot, dock, "mobilenet_v2")
    assert dock.session.segmenter.spec.encoder == "mobilenet_v2"


def test_an_encoder_is_found_with_the_mouse(shown, qtbot):
    box = shown.form.encoder.box
    box.lineEdit().selectAll()
    qtbot.keyClicks(box.lineEdit(), "enet_v2")
    popup = box.completer().popup()
    qtbot.waitUntil(popup.isVisible)
    place = popup.visualRect(popup.model().index(0, 0)).center()
    qtbot.mouseClick(popup.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert shown.session.segmenter.spec.encoder == "mobilenet_v2"


def test_an_unknown_encoder_is_reported_and_the_model_kept(dock, qtbot):
    before = dock.session.segmenter
    type_in(qtbot, dock, "resnet19")
    assert "U-Net has no encoder 'resnet19'" in dock.details.text().replace("&#x27;", "'")
    assert dock.session.segmenter is before


def test_a_timm_name_is_checked_in_the_background(shown, qtbot):
    type_in(qtbot, shown, "tu-nonsense")
    qtbot.waitUntil(lambda: "Unknown model" in shown.details.text(), timeout=MS)
    type_in(qtbot, shown, "tu-resnet18")
    qtbot.waitUntil(lambda: "14.3 M" in shown.details.text(), timeout=MS)
    assert shown.session.segmenter.spec.encoder == "tu-resnet18"


def test_details_show_size_memory_weights_and_licences(shown, qtbot):
    shown.session.config = TrainConfig(batch_size=2, tile=TileConfig(tile_size=64))
    qtbot.waitUntil(lambda: "14.3 M" in shown.details.text(), timeout=MS)
    for part in ("2D", "GiB", "2 tiles of 64 x 64", "free", "imagenet", "MIT"):
        assert part in shown.details.text()
    shown.form.encoder.value = "mit_b0"
    assert "not for commercial use" in shown.details.text()
    shown.viewer.add_image(np.zeros((40, 200, 5), np.uint8), axis_labels=("y", "x", "c"))
    shown.form.encoder.value = "resnet18"
    choose_method(shown, "unet3d")
    qtbot.waitUntil(lambda: "2 tiles of" in shown.details.text(), timeout=MS)


def test_missing_weights_of_a_timm_encoder_are_greyed_out(shown, qtbot):
    type_in(qtbot, shown, "tu-resnet18")
    qtbot.waitUntil(lambda: "<td>imagenet" in shown.details.text(), timeout=MS)
    box = shown.form.weights.native
    place = box.findText("imagenet")
    assert box.model().item(place).isEnabled()
    type_in(qtbot, shown, "tu-dpn48b")
    qtbot.waitUntil(lambda: "<td>none" in shown.details.text(), timeout=MS)
    assert not box.model().item(place).isEnabled()


def test_nothing_is_estimated_while_the_dock_is_hidden(dock):
    assert not dock.details.isVisible()
    assert not has_pending_calls(dock.details)


def test_methods_that_do_not_fit_the_image_are_greyed_out_with_the_reason(dock, viewer, qtbot):
    viewer.add_image(np.zeros((8, 32, 32), np.uint8), name="volume")
    choose_method(dock, "unet3d")
    dock.form.dims.value = "3D"
    methods = dock.form.methods
    assert can_choose(methods, "unet")
    assert can_choose(methods, "segresnet")
    image = viewer.add_image(np.zeros((32, 32), np.uint8), name="flat")
    assert not can_choose(methods, "segresnet")
    assert "has no Z" in methods._items["segresnet"].toolTip(0)
    assert "has no Z" in dock.details.text()
    viewer.layers.remove(image)
    assert can_choose(methods, "segresnet")
    viewer.layers.clear()
    assert can_choose(methods, "segresnet")


def test_3d_cannot_be_chosen_for_a_flat_image(dock, viewer):
    viewer.add_image(np.zeros((32, 32), np.uint8))
    choose_method(dock, "unet3d")
    box = dock.form.dims.native
    item = box.model().item(box.findText("3D"))
    assert not item.isEnabled()
    assert "has no Z" in item.toolTip()
    assert box.model().item(box.findText("2D")).isEnabled()


def test_a_click_on_a_greyed_out_method_shows_the_reason(shown, qtbot):
    shown.form.methods.value = "unet3d"
    shown.form.dims.value = "3D"
    shown.viewer.add_image(np.zeros((32, 32), np.uint8))
    tree = shown.form.methods.tree
    item = shown.form.methods._items["segresnet"]
    tree.scrollToItem(item)
    place = tree.visualItemRect(item).center()
    qtbot.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert "has no Z" in shown.details.text()
    assert "choose Dims 2D" in shown.details.text()
    assert shown.session.segmenter.spec.name == "unet3d"


def test_3d_is_reset_by_choosing_a_2d_method(dock):
    choose_method(dock, "unet3d")
    dock.form.dims.value = "3D"
    choose_method(dock, "unet")
    assert dock.session.segmenter.spec == ModelSpec("unet", encoder="resnet18")


def test_axes_chosen_in_the_train_dock_are_used(dock, train_dock, viewer, qtbot):
    layer = viewer.add_image(np.zeros((4, 32, 32), np.uint8))
    assert dock.selected.image.axes == "ZYX"
    choose_method(dock, "unet3d")
    train_dock.data.axes.value = "CYX"
    assert dock.selected.image.axes == "CYX"
    assert "choose Dims 2D" in dock.form.dims.native.itemData(2, Qt.ItemDataRole.ToolTipRole)
    train_dock.data.axes.value = None
    assert dock.selected.image.axes == "ZYX"
    qtbot.waitUntil(lambda: not train_dock.label_stats.is_counting)
    with qtbot.waitSignal(dock.selected.changed):
        layer.axis_labels = ("t", "y", "x")


def test_sizes_are_chosen_and_encoders_can_be_typed(dock):
    assert dock.form.row_label("encoder").text() == "Encoder"
    choose_method(dock, "unet3d")
    assert dock.form.row_label("encoder").text() == "Size"
    assert not dock.form.encoder.box.isEditable()
    dock.form.encoder.value = "medium"
    assert dock.form.encoder.box.currentText() == "medium"
    choose_method(dock, "unet")
    assert dock.form.encoder.box.isEditable()
    assert dock.form.encoder.box.currentText() == dock.session.segmenter.spec.encoder == "resnet18"


def test_filters_have_no_weights(dock):
    assert not dock.form.weights.native.isHidden()
    choose_method(dock, "pixels")
    assert dock.form.weights.native.isHidden()
    assert dock.form.row_label("weights").isHidden()
    dock.form.encoder.value = "resnet18"
    assert not dock.form.weights.native.isHidden()


def test_the_image_stays_while_labels_on_it_are_painted(dock, viewer):
    viewer.add_image(np.zeros((32, 32), np.uint8), name="flat")
    viewer.add_image(np.zeros((8, 32, 32), np.uint8), name="volume")
    viewer.add_labels(np.zeros((8, 32, 32), np.uint8))
    assert dock.selected.image.axes == "ZYX"
    viewer.layers.selection.active = viewer.layers["flat"]
    assert dock.selected.image.axes == "YX"


def test_only_a_pixel_classifier_has_features(dock):
    section = dock.form.sections["features"]
    assert section.isHidden()
    choose_method(dock, "pixels")
    assert not section.isHidden()
    dock.form.features.window.value = 5
    assert dock.session.segmenter.spec.features.window == 5
    choose_method(dock, "unet")
    assert section.isHidden()
    assert dock.session.segmenter.spec == ModelSpec("unet", encoder="resnet18")


def test_weights_can_be_a_file(dock, tmp_path, monkeypatch):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    choose_weights(dock, "file …")
    assert dock.session.segmenter.spec.weights == str(path)
    assert "from mine.pth weights" in dock.summary.text()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    choose_weights(dock, "file …")
    assert dock.form.weights.current_choice == "mine.pth"
    path.unlink()
    dock.form.encoder.value = "resnet34"
    assert "which is not a file" in dock.details.text()
    other = tmp_path / "other" / "mine.pth"
    dock.form.weights.value = str(other)
    assert dock.form.value.weights == str(other)
    choose_weights(dock, "random")
    assert dock.session.segmenter.spec == ModelSpec("unet", encoder="resnet34")


def test_weights_depend_on_method_and_encoder(dock):
    choose_method(dock, "fcn")
    assert weights(dock) == ["random", "imagenet", "file …"]
    dock.form.encoder.value = "resnet50"
    choose_weights(dock, "coco")
    assert dock.session.segmenter.spec.weights == "coco"
    choose_method(dock, "unet")
    assert dock.session.segmenter.spec.weights is None
    choose_method(dock, "unet3d")
    assert weights(dock) == ["random", "file …"]


def weights(dock):
    return [dock.form.weights.native.itemText(i) for i in range(len(dock.form.weights))]


def test_a_preset_sets_the_model_and_the_training(dock, train_dock):
    choose_preset(dock, "best on a GPU")
    preset = PRESETS["best on a GPU"]
    assert dock.session.segmenter.spec == preset.spec
    train_dock.label_stats.semantics.set_value(None, "classes")
    choose_preset(dock, "fast on CPU")
    config = train_dock.config()
    assert config.tile == TileConfig(tile_size=128)
    assert (config.unlabelled, config.labels_are) == (None, "classes")
    assert dock.preset.value == "fast on CPU"
    train_dock.form.epochs.value = 3
    assert dock.preset.value is None


def test_a_preset_reaches_a_train_dock_that_is_opened_later(dock, viewer, qtbot):
    choose_preset(dock, "best on a GPU")
    later = TrainDock(viewer)
    viewer.window.add_dock_widget(later)
    assert later.config() == PRESETS["best on a GPU"].config
    assert later.wait_idle()


def test_keeping_a_trained_model_keeps_its_training_too(dock, train_dock):
    dock.session.segmenter.trained = trained()
    dock.session.segmenter_changed.emit()
    choose_preset(dock, "best on a GPU")
    assert "not saved" in dock.files.question.text
    dock.files.question.answer("Keep")
    assert dock.form.value.name == "unet"
    assert train_dock.config() == TrainConfig()
    choose_preset(dock, "best on a GPU")
    dock.files.question.answer("Discard")
    assert dock.session.segmenter.spec.name == "unetplusplus"
    assert train_dock.config() == PRESETS["best on a GPU"].config


def test_the_volume_preset_follows_device_and_minutes(dock, train_dock):
    assert dock.wait_idle()
    dock._on_devices(["auto", "cpu"])  # as on a computer without a GPU
    choose_preset(dock, "volume")
    assert dock.session.segmenter.spec.dims == "2D"
    assert "GPU" in dock.preset.tooltip
    train_dock.form.minutes.value = 1
    assert dock.preset.value is None
    choose_preset(dock, "volume")
    spec = dock.session.segmenter.spec
    assert (spec.name, spec.dims, train_dock.config().minutes) == ("pixels", "3D", 1)
    assert dock.preset.value == "volume"
    dock._on_devices(["auto", "cuda:0", "cpu"])  # with one
    choose_preset(dock, "balanced")
    choose_preset(dock, "volume")
    assert dock.session.segmenter.spec.name == "unet3d"
    choose_preset(dock, "balanced")
    dock.device.value = "cpu"
    choose_preset(dock, "volume")
    assert dock.session.segmenter.spec.name == "pixels"


def trained():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    labels = np.ones((32, 32), np.uint8)
    labels[:16] = 2
    config = TrainConfig(
        epochs=1, steps_per_epoch=1, batch_size=2, unlabelled=None, tile=TileConfig(tile_size=32)
    )
    small = ModelSpec("segresnet", dims="2D")
    return Segmenter(small, device="cpu").fit(pixels, labels, config).trained


def test_every_preset_has_a_tooltip(dock):
    box = dock.preset.native
    tips = [box.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(len(PRESETS))]
    assert tips == [preset.about for preset in PRESETS.values()]


def test_presets_tell_that_minutes_take_the_place_of_epochs(dock, train_dock):
    choose_preset(dock, "balanced")
    train_dock.form.minutes.value = 7
    assert dock.wait_idle()
    box = dock.preset.native
    tips = [box.itemData(i, Qt.ItemDataRole.ToolTipRole) for i in range(len(PRESETS))]
    assert all("takes 7 minutes, as set in the Train dock" in tip for tip in tips)
    choose_preset(dock, "fast on CPU")
    assert (train_dock.config().epochs, train_dock.config().minutes) == (None, 7)
    assert "takes 7 minutes" in dock.preset.tooltip


def test_the_copied_python_contains_the_choices(dock):
    choose_method(dock, "pixels")
    dock.form.features.stride.value = 4
    dock.files.copy_button.click()
    before = dock.session.segmenter
    exec(QGuiApplication.clipboard().text(), {"viewer": dock.viewer})
    assert dock.session.segmenter is not before
    assert dock.session.segmenter.spec == before.spec


def test_options_of_the_builder_are_a_line_of_text(dock, qtbot):
    form, line = dock.form, dock.form["options"].native
    qtbot.keyClicks(line, "decoder_use_norm=false; decoder_channels=64,32,16,8,8")
    assert not dock.session.segmenter.spec.options
    qtbot.keyClick(line, Qt.Key.Key_Return)
    expected = {"decoder_use_norm": False, "decoder_channels": (64, 32, 16, 8, 8)}
    assert dock.session.segmenter.spec == resolve(ModelSpec("unet", options=expected))
    for text in ("decoder_width=3", "decoder_width"):
        line.setText(text)
        qtbot.keyClick(line, Qt.Key.Key_Return)
        assert form.problem.startswith("unet has no option decoder_width: its options are enc")
    choose_method(dock, "segnet")
    assert not form.value.options
    assert not line.isVisibleTo(form.native)


def test_neighbouring_slices_are_chosen_for_networks_of_slices(dock):
    row = dock.form.neighbour_slices
    choose_method(dock, "unet")
    row.value = 2
    assert dock.session.segmenter.spec.neighbour_slices == 2
    assert "no Z" in dock.form.problem_with("YX")
    assert dock.form.problem_with("ZYX") is None
    choose_method(dock, "unet3d")
    dock.form.dims.value = "3D"
    assert "but Dims 3D, and they are for 2D networks" in dock.form.problem
    dock.form.dims.value = "2D"
    choose_method(dock, "pixels")
    assert row.native.isHidden()
    assert dock.session.segmenter.spec.neighbour_slices == 0
