"""The Model and Train docks with models that give objects."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtGui import QGuiApplication

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.docks.model.model_details import describe_model
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.widgets.model_estimate import estimate_model
from napari_segkit.models import resolve

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(tile_size=64), validation=None
)
LONG = replace(QUICK, epochs=1000)
LEFT = np.array([[-0.5, -0.5], [-0.5, 63.5], [63.5, 63.5], [63.5, -0.5]])
MS = 120_000


def nuclei():
    """16 discs of 14 pixels, some of which touch, with an image of them."""
    rows, columns = np.mgrid[:64, :128]
    ids = np.zeros((64, 128), np.uint16)
    for i in range(16):
        y, x = 8 + 16 * (i // 4), 8 + 14 * (i % 4) + 64 * (i % 2)
        ids[(rows - y) ** 2 + (columns - x) ** 2 <= 49] = i + 1
    noise = np.random.default_rng(0).integers(0, 60, ids.shape)
    return ids, (noise + 150 * (ids > 0)).astype(np.uint8)


@pytest.fixture
def viewer(make_light_viewer):
    viewer = make_light_viewer()
    ids, pixels = nuclei()
    viewer.add_image(pixels, name="cells")
    viewer.add_labels(ids, name="ids")
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    counted(qtbot, dock)
    yield dock
    assert dock.wait_idle()


@pytest.fixture
def model_dock(viewer):
    dock = ModelDock(viewer)
    viewer.window.add_dock_widget(dock, name="Model")
    yield dock
    assert dock.wait_idle()


def counted(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.label_stats.is_counting, timeout=MS)


def choose(qtbot, dock, name, **more):
    dock.session.segmenter = Segmenter(ModelSpec(name, **more), device="cpu")
    counted(qtbot, dock)


def train(qtbot, dock, config=QUICK):
    dock.form.value = config
    with qtbot.waitSignal(dock.bar.finished, timeout=MS):
        dock.bar.button.click()


def offered(dock):
    return dock.label_stats.remedies.offered


def texts(choice):
    box = choice.native
    return [box.itemText(i) for i in range(box.count())][:3]


def title(dock):
    return dock.annotation_panel.group.title


def rows(dock):
    """What is shown only where objects are learned."""
    choices = dock.annotation.regions, dock.annotation.classes
    widgets = *(choice.native for choice in choices), dock.data.next_button
    return [not w.isHidden() for w in widgets]


def add_regions_and_classes(viewer):
    regions = viewer.add_shapes([LEFT], name="complete")
    dots = np.zeros((64, 128), np.uint8)
    dots[8::16, 8::14] = 1
    dots[40:] *= 2
    return regions, viewer.add_labels(np.where(dots, dots, 0), name="kinds")


def test_label_semantics_follow_the_model(dock, qtbot):
    semantics = dock.label_stats.semantics
    before = texts(semantics.labels_are), texts(semantics.unlabelled), title(dock)
    assert rows(dock) == [False] * 3
    choose(qtbot, dock, "maskrcnn")
    assert rows(dock) == [True] * 3
    assert texts(semantics.labels_are) == [
        "Instance ids (checked)",
        "Classes, by component",
        "Instance ids",
    ]
    box = semantics.unlabelled.native
    assert box.currentText() == box.lineEdit().text() == "0 is background"
    assert title(dock) == "Objects"
    assert dock.classes.isHidden()
    assert "whole image counts as annotated" in dock.annotation.text.text()
    counts, fitted = dock.label_stats.text.text().splitlines()
    assert counts == "16 objects, typically 14 pixels wide (14 to 14)."
    assert fitted.startswith("Set from the object sizes: anchors of 15, 21, 30,")
    assert dock.bar.button.isEnabled()
    choose(qtbot, dock, "unet")
    assert rows(dock) == [False] * 3
    after = texts(semantics.labels_are), texts(semantics.unlabelled), title(dock)
    assert after == before
    assert not dock.classes.isHidden()
    assert dock.annotation.text.isHidden()


def test_settings_from_object_sizes_are_shown_before_and_after_training(dock, qtbot):
    choose(qtbot, dock, "solo")
    known = dock.label_stats.label_stats.size_settings
    assert dock.label_stats.text.text().endswith(f"\nSet from the object sizes: {known}.")
    train(qtbot, dock)
    counted(qtbot, dock)
    assert dock.session.segmenter.trained.provenance["sizes"] == known
    assert f"; {known}." in dock.model.text()
    dock.form.value = TrainConfig(voxel_size=0.5)
    counted(qtbot, dock)
    assert dock.label_stats.label_stats.size_settings == "grids with cells of 16 pixels" != known


def test_objects_in_regions_with_classes_are_trained_on(viewer, dock, qtbot):
    regions, kinds = add_regions_and_classes(viewer)
    choose(qtbot, dock, "maskrcnn")
    assert dock.annotation.regions.value is None
    assert dock.data.labels.value.name == "ids"
    dock.annotation.regions.value = regions
    dock.annotation.classes.value = kinds
    counted(qtbot, dock)
    assert "class 1: " in dock.label_stats.text.text()
    assert "50% of the pixels are annotated." in dock.label_stats.text.text()
    assert [c.value for c in dock.classes.classes] == [1, 2]
    dock.classes.rename(2, "long")
    qtbot.waitUntil(lambda: "long: " in dock.label_stats.text.text(), timeout=MS)
    train(qtbot, dock)
    segmenter = dock.session.segmenter
    assert segmenter.trained.kind == "instance"
    assert [c.name for c in segmenter.classes] == ["background", "class 1", "long"]
    assert dock.curve.losses == list(segmenter.history)
    assert "objects, typically 14 pixels wide; anchors of" in dock.model.text()


def test_the_copied_python_names_the_layers(viewer, dock, qtbot):
    regions, kinds = add_regions_and_classes(viewer)
    choose(qtbot, dock, "solo")
    dock.annotation.regions.value = regions
    dock.annotation.classes.value = kinds
    counted(qtbot, dock)
    dock.form.value = QUICK
    dock.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "object_classes=viewer.layers['kinds'], regions=viewer.layers['complete']" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(dock.session.task.finished, timeout=MS):
        pass
    assert dock.session.segmenter.trained.kind == "instance"
    assert len(dock.session.segmenter.classes) == 3
    assert "grids with cells" in dock.model.text()


def test_shapes_and_dots_are_checked_as_they_are_drawn(viewer, dock, qtbot):
    regions, kinds = add_regions_and_classes(viewer)
    choose(qtbot, dock, "maskrcnn")
    dock.annotation.regions.value = regions
    regions.add([[5, 5], [20, 20]], shape_type="line")
    assert "has no inside" in dock.bar.hint.text()
    assert not dock.bar.button.isEnabled()
    regions.selected_data = {1}
    regions.remove_selected()
    counted(qtbot, dock)
    assert dock.bar.button.isEnabled()
    dock.annotation.classes.value = dock.data.labels.value
    assert "the same layer" in dock.bar.hint.text()
    dock.annotation.classes.value = kinds
    kinds.data_setitem((np.array([8]), np.array([8])), 0)
    qtbot.waitUntil(lambda: "have no class" in dock.bar.hint.text(), timeout=MS)
    assert [c.value for c in dock.classes.classes] == [1, 2]
    kinds.undo()
    qtbot.waitUntil(dock.bar.button.isEnabled, timeout=MS)
    viewer.layers.remove("complete")
    assert dock.annotation.regions.current_choice == "the whole image"


def test_labels_that_look_like_classes_need_a_choice(viewer, dock, qtbot):
    mask = (nuclei()[0] > 0).astype(np.uint8)
    mask[:, ::12] = 0
    dock.data.labels.value = viewer.add_labels(mask, name="mask")
    choose(qtbot, dock, "maskrcnn")
    assert "look like classes" in dock.bar.hint.text()
    components = "Each connected component is an object"
    assert offered(dock) == ["Each value is one object", components]
    assert not dock.bar.button.isEnabled()
    dock.label_stats.remedies.answer(components)
    counted(qtbot, dock)
    assert dock.config().labels_are == "classes"
    assert dock.classes.counts[1] == np.count_nonzero(mask)
    assert not dock.classes.isHidden()
    assert [c.value for c in dock.classes.classes] == [1]


def test_a_semantic_model_can_find_objects(dock, qtbot):
    dock.label_stats.semantics.set_value(None, "ask")
    counted(qtbot, dock)
    dock.label_stats.remedies.answer("Train to find single objects")
    counted(qtbot, dock)
    assert dock.session.segmenter.spec.objects == "distance"
    assert "objects: Distance transform" in dock.model.text()
    train(qtbot, dock)
    assert dock.session.segmenter.trained.kind == "objects"
    assert [c.name for c in dock.session.segmenter.classes] == ["background", "object"]
    assert "objects, typically 14 pixels wide." in dock.model.text()


def test_separation_is_proposed_if_objects_touch(viewer, dock, qtbot):
    ids = nuclei()[0]
    ids[:14, 60:90] = 99
    ids[:14, 90:120] = 98
    dock.data.labels.value = viewer.add_labels(ids, name="more")
    choose(qtbot, dock, "unet", objects="components")
    assert offered(dock) == ["Train to separate touching objects"]
    assert "touching another" in dock.label_stats.text.text()
    assert dock.bar.button.isEnabled()
    dock.label_stats.remedies.answer("Train to separate touching objects")
    counted(qtbot, dock)
    assert offered(dock) == []


def test_stop_keeps_the_training_and_undo_restores_the_model_before(dock, model_dock, qtbot):
    choose(qtbot, dock, "solo")
    train(qtbot, dock)
    first = dock.session.segmenter.trained
    dock.form.value = LONG
    with qtbot.waitSignal(dock.bar.yielded, timeout=MS):
        dock.bar.button.click()
    with qtbot.waitSignal(dock.bar.finished, timeout=MS):
        dock.bar.button.click()
    assert dock.bar.status.text().startswith("Stopped")
    assert dock.session.segmenter.trained is not first
    model_dock.undo_button.click()
    assert dock.session.segmenter.trained is first
    assert "grids with cells" in model_dock.summary.text()


def test_new_labels_hold_instance_ids(viewer, dock, qtbot):
    choose(qtbot, dock, "maskrcnn")
    dock.data.new_button.click()
    layer = dock.data.labels.value
    assert (layer.mode, layer.selected_label) == ("paint", 1)
    assert layer.features.empty
    counted(qtbot, dock)
    assert "hold no object" in dock.bar.hint.text()
    assert offered(dock) == ["Paint an object"]
    layer.data_setitem((np.arange(10), np.zeros(10, int)), 1)
    dock.data.next_button.click()
    assert layer.selected_label == 2
    qtbot.waitUntil(dock.bar.button.isEnabled, timeout=MS)


def test_classes_in_the_features_are_shown(viewer, dock, qtbot):
    names = ["round"] * 10 + ["long"] * 6
    features = pd.DataFrame({"index": range(1, 17), "class": names})
    choose(qtbot, dock, "maskrcnn")
    layer = dock.data.labels.value
    layer.features = features[:12]
    assert 'column "class"' in dock.annotation.text.text()
    qtbot.waitUntil(lambda: "4 of 16 objects have no class" in dock.bar.hint.text(), timeout=MS)
    layer.features = features
    qtbot.waitUntil(lambda: "long: 6 objects" in dock.label_stats.text.text(), timeout=MS)
    assert dock.bar.button.isEnabled()


def test_objects_are_chosen_in_the_model_form(model_dock):
    form = model_dock.form
    assert [form.objects.native.itemText(i) for i in range(4)] == [
        "Classes only",
        "Connected components",
        "Boundary + watershed",
        "Distance transform + watershed",
    ]
    assert "single objects" in form.objects.tooltip
    form.objects.value = "distance"
    assert model_dock.session.segmenter.spec.objects == "distance"
    assert form.row_label("objects").text() == "Objects"
    form.methods.value = "solo"
    assert form.objects.native.isHidden()
    assert form.row_label("objects").isHidden()
    assert model_dock.session.segmenter.spec == ModelSpec("solo", encoder="resnet18")
    form.value = ModelSpec("unet", encoder="resnet18", objects="boundary")
    assert form.value.objects == "boundary"
    assert not form.objects.native.isHidden()


@pytest.mark.parametrize("spec", [ModelSpec("maskrcnn"), ModelSpec("unet", objects="distance")])
def test_memory_of_models_that_find_objects_is_described(spec):
    spec, config = resolve(spec), TrainConfig()
    text = describe_model(spec, config, estimate_model(spec, None, 3, config, "cpu"))
    assert ("at least" in text) == (spec.name == "maskrcnn")
    assert " M</td>" in text


def test_methods_are_found_by_their_purpose(model_dock):
    methods = model_dock.form.methods
    for text in ("instances", "objects", "nuclei", "cells", "INSTANCE"):
        methods.search.value = text
        assert {"maskrcnn", "solo"} <= set(methods.matches())
    methods.search.value = "mri"
    assert methods.matches() == ["unet3d", "segresnet", "mednext"]
    methods.search.value = ""
    methods.kind.value = "instance"
    assert methods.matches() == ["maskrcnn", "solo"]
