import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels, Shapes
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_segkit import ModelSpec, ObjectConfig, Segmenter, TrainConfig
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.layers.box_layers import find_boxes
from napari_segkit._qt.session.session import session
from napari_segkit._qt.widgets.model_summary import summary
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference.progress import TileStep
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult

SIZE = 64
CLASSES = (
    LabelClass(0, "background", "#000000"),
    LabelClass(18, "dog", "#ff0000"),
    LabelClass(44, "bottle", "#00ff00"),
)


def discs():
    """Image of sixteen bright discs of two sizes in noise, and their instance labels."""
    pixels = np.random.default_rng(0).normal(20, 3, (SIZE, SIZE)).astype(np.float32)
    ids, (rows, columns) = np.zeros(pixels.shape, np.int32), np.indices(pixels.shape)
    places = [(y, x) for y in range(8, SIZE, 16) for x in range(8, SIZE, 16)]
    for number, (y, x) in enumerate(places, 1):
        ids[(rows - y) ** 2 + (columns - x) ** 2 <= (3 + 2 * (number % 2)) ** 2] = number
    return np.where(ids > 0, pixels + 100, pixels), ids


@pytest.fixture(scope="module")
def trained():
    spec = ModelSpec("pixels", objects="components")
    return Segmenter(spec, device="cpu").fit(*discs(), TrainConfig(labels_are="objects"))


class FakePretrained(Segmenter):
    """Stands for a pretrained Mask R-CNN: gives the same objects in any image."""

    def __init__(self, scores=(0.9, 0.8, 0.3), axes="YX", orientations=("", "")):
        super().__init__(ModelSpec("maskrcnn", weights="coco"), device="cpu")
        self.scores, self.axes, self.orientations = np.array(scores, np.float32), axes, orientations

    def objects(self, config):
        """Three boxes in a row, in each slice."""
        used = slice(len(self.scores))
        boxes = np.array([(4 + 20 * i, 8, 20 + 20 * i, 24) for i in range(3)], np.float32)
        soft = np.full((3, 28, 28), 0.9, np.float16)
        soft[:, :14] = 0.6
        found = SoftMasks(boxes[used], soft[used], np.array([1, 2, 1])[used], self.scores)
        shape = [SIZE if axis in "YX" else 2 for axis in self.axes]
        pixels = np.broadcast_to(np.uint8(0), shape)
        image = AxesImage(pixels, self.axes, orientation=self.orientations[0])
        frames = [found] * image.frame_count(2)
        return Objects(MaskCandidates(frames, image), config, CLASSES, image, self.orientations[1])

    def ready(self):
        return SimpleNamespace(
            axes=self.axes,
            channels=2 if "C" in self.axes else 1,
            channel_names=(),
            orientation=self.orientations[0],
            predicts_objects=True,
        )

    def predict_tiles(self, source, tile=None, *, axes=None, objects=None, **_):
        yield TileStep(1, 1)
        found = self.objects(objects or ObjectConfig())
        made = {"image": {"name": source.name, "axes": self.axes}, "kind": "instance"}
        axes = self.axes.replace("C", "")
        return LabelResult(found.labels, axes, found.classes, made, objects=found)


@pytest.fixture
def viewer(light_viewer):
    return with_cells(light_viewer)


def with_cells(viewer):
    viewer.add_image(discs()[0], name="cells", scale=(2, 2), translate=(5, 5), units="um")
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    box = dock.objects
    background = dock.device._latest, box._selector, box.buttons._background, box.masks._background
    yield dock
    qtbot.waitUntil(lambda: not any(isalive(x) and x.is_busy for x in background), timeout=60_000)


@pytest.fixture
def ready(dock, trained):
    dock.session.segmenter = trained
    return dock


def press(qtbot, dock):
    with qtbot.waitSignal(dock.written, timeout=60_000) as written:
        dock.bar.button.click()
    qtbot.waitUntil(lambda: "kept" in dock.bar.status.text(), timeout=60_000)
    return written.args[0]


def set_thresholds(qtbot, dock, **fields):
    """Change thresholds and wait for the filtered objects."""
    for name, value in fields.items():
        dock.objects.form[name].value = value
    qtbot.waitUntil(lambda: "kept" in dock.bar.status.text(), timeout=60_000)


def make_masks(qtbot, dock):
    with qtbot.waitSignal(dock.objects.masks.written, timeout=60_000) as written:
        dock.objects.masks.button.click()
    return written.args[0]


def test_objects_are_dropped_with_their_layer(viewer):
    layer = Labels(np.zeros((4, 4), np.int32))
    objects = FakePretrained().objects(ObjectConfig())
    session(viewer).keep_objects(layer, objects)
    assert session(viewer).objects_of(layer) is objects
    assert session(viewer).objects_of(viewer.layers["cells"]) is None
    gone = weakref.ref(objects)
    del layer, objects
    gc.collect()
    assert gone() is None


def raise_invalid():
    raise ValueError("ObjectConfig.max_size is less than min_size.")


def test_panel_is_shown_for_models_that_give_objects(dock, trained, monkeypatch):
    form, box = dock.objects.form, dock.objects
    assert not dock.group.isVisibleTo(dock)
    dock.session.segmenter = trained
    assert dock.group.isVisibleTo(dock)
    assert not form.mask_threshold.enabled
    assert not box.buttons.boxes_button.isEnabled()
    dock.session.segmenter = Segmenter(ModelSpec("maskrcnn"))
    assert form.mask_threshold.enabled
    assert "Not trained yet." in summary(dock.session.segmenter)
    dock.session.segmenter = trained
    monkeypatch.setitem(vars(form), "asdict", raise_invalid)
    form.changed.emit(form)
    assert dock.bar.hint.text() == "Max size is less than min_size."
    dock.session.segmenter = Segmenter(ModelSpec("unet"))
    assert not dock.group.isVisibleTo(dock)


def test_objects_are_written_as_instance_ids_with_features(ready, viewer, trained, qtbot):
    layer = press(qtbot, ready)
    found = trained.predict_objects(discs()[0])
    assert layer is viewer.layers["cells objects"]
    assert layer.data.dtype == np.int32
    np.testing.assert_array_equal(layer.data, found.labels)
    np.testing.assert_array_equal(layer.scale, (2, 2))
    assert list(layer.features["index"]) == list(range(1, 17))
    assert {"class", "score", "area", "y0"} <= set(layer.features)
    assert layer.features["area"].max() == 4 * layer.features["pixels"].max()
    assert "class: object" in layer.get_status((21, 21), world=True)["value"]
    assert not np.array_equal(layer.get_color(1), layer.get_color(2))
    made = layer.metadata["segkit"]
    assert (made["kind"], made["objects"]["score"]) == ("objects", 0.4)
    assert made["model"]["id"] == trained.trained.identity
    assert session(viewer).objects_of(layer).table.equals(layer.features)
    assert ready.bar.status.text() == "16 of 16 objects kept in the layer 'cells objects'."


def test_thresholds_filter_the_last_result_without_predicting_again(
    ready, viewer, qtbot, monkeypatch
):
    with qtbot.waitSignal(ready.written, timeout=60_000):
        ready.bar.button.click()
        ready.objects.form.min_size.value = 200  # while it predicts
    qtbot.waitUntil(lambda: "8 of 16 objects" in ready.bar.status.text(), timeout=60_000)
    layer = viewer.layers["cells objects"]
    assert list(layer.features["index"]) == list(range(1, 9))
    assert layer.data.max() == 8
    assert layer.metadata["segkit"]["objects"]["min_size"] == 200
    assert press(qtbot, ready) is layer
    monkeypatch.setattr(type(ready.session), "run", None)
    viewer.layers.remove("cells")
    layer.translate = (50, 50)
    written = []
    ready.written.connect(written.append)
    for size in range(200, -1, -20):
        ready.objects.form.min_size.value = size
    set_thresholds(qtbot, ready)
    assert written == [layer]
    assert layer.data.max() == len(layer.features) == 16
    np.testing.assert_array_equal(layer.translate, (50, 50))


def test_a_result_painted_on_is_not_overwritten(ready, viewer, qtbot):
    first = press(qtbot, ready)
    first.data_setitem((np.array([0]), np.array([0])), 99)
    painted = first.data.copy()
    set_thresholds(qtbot, ready, min_size=200)
    np.testing.assert_array_equal(first.data, painted)
    second = viewer.layers[-1]
    assert second is not first
    assert second.data.max() == len(second.features) == 8
    np.testing.assert_array_equal(second.scale, first.scale)
    set_thresholds(qtbot, ready, min_size=0)
    assert viewer.layers[-1] is second
    assert second.data.max() == 16
    ready.objects.form.min_size.value = 200
    viewer.layers.remove(second)
    assert ready.objects.layer is None
    assert not ready.objects.buttons.measure_button.isEnabled()
    qtbot.waitUntil(lambda: not ready.objects._selector.is_busy)
    assert [x.name for x in viewer.layers] == ["cells", "cells objects"]


def test_a_pretrained_model_predicts_without_training(dock, viewer, qtbot):
    dock.session.segmenter = FakePretrained()
    assert "predicts the 80 object classes of COCO" in dock.model.text()
    used = FakePretrained()
    used.trained = SimpleNamespace(
        kind="instance",
        ndim=2,
        provenance={"weights": "whole"},
        spec=used.spec,
        stuff=None,
        all_classes=CLASSES,
    )
    assert summary(used) == summary(FakePretrained())
    layer = press(qtbot, dock)
    assert list(layer.features["class"]) == ["dog", "bottle"]
    assert dock.bar.status.text().startswith("2 of 3 objects kept")
    dock.objects.buttons.boxes_button.click()
    boxes = viewer.layers["cells objects boxes"]
    assert list(boxes.text.values) == ["dog 0.90", "bottle 0.80"]
    assert boxes.text.visible
    np.testing.assert_allclose(boxes.edge_color[:, :3], [(1, 0, 0), (0, 1, 0)])
    before = (layer.data == 1).sum()
    set_thresholds(qtbot, dock, score=0.3, mask_threshold=0.7)
    assert list(layer.features["score"]) == pytest.approx([0.9, 0.8, 0.3])
    assert (layer.data == 1).sum() < 0.6 * before
    set_thresholds(qtbot, dock, score=0.95)
    assert len(layer.features) == len(boxes.data) == len(boxes.features) == 0
    assert not dock.objects.masks.button.isEnabled()
    set_thresholds(qtbot, dock, score=0.1)
    assert len(boxes.data) == 3
    assert find_boxes(viewer, layer) is boxes


def test_masks_of_the_classes_present(dock, viewer, qtbot):
    dock.session.segmenter = FakePretrained()
    layer, box = press(qtbot, dock), dock.objects.masks
    assert [i.text() for i in box.list.entries()] == ["dog (1)", "bottle (1)"]
    each = make_masks(qtbot, dock)
    np.testing.assert_array_equal(each.scale, layer.scale)
    assert dict(zip(each.features["index"], each.features["name"], strict=True)) == {
        c.value: c.name for c in CLASSES
    }
    np.testing.assert_allclose(each.get_color(18), (1, 0, 0, 1))
    np.testing.assert_array_equal(each.data == 18, layer.data == 1)
    dog, _ = box.list.entries()
    dog.setCheckState(Qt.CheckState.Unchecked)
    box.form.one_mask.value = True
    one = make_masks(qtbot, dock)
    assert one.name == "cells objects: bottle"
    np.testing.assert_array_equal(one.data, layer.data == 2)
    assert (each.data == 18).any()
    assert make_masks(qtbot, dock) is one
    set_thresholds(qtbot, dock, score=0.85)
    assert [i.text() for i in box.list.entries()] == ["dog (1)"]
    assert not box.button.isEnabled()


def test_copied_python_and_a_second_dock_give_the_same_result(ready, viewer, qtbot):
    ready.objects.form.min_size.value = 200
    ready.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "objects=ObjectConfig(min_size=200.0)" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    layer = viewer.layers["cells objects"]
    assert ready.objects.layer is layer
    other = PredictDock(viewer)
    qtbot.addWidget(other)
    assert other.objects.layer is layer
    assert other.objects.form.value == ObjectConfig(min_size=200)
    qtbot.waitUntil(lambda: "8 of 16" in ready.bar.status.text(), timeout=60_000)
    set_thresholds(qtbot, ready, min_size=0)
    assert other.objects.form.value == ObjectConfig()
    busy = other.objects._selector, other.device._latest
    qtbot.waitUntil(lambda: not any(x.is_busy for x in busy), timeout=60_000)
    assert len(layer.features) == 16


def test_stacks_series_and_channels_are_supported(dock, viewer, qtbot):
    for axes, linked in (("ZYX", 2), ("TYX", 4), ("CYX", 2)):
        dock.session.segmenter = FakePretrained(axes=axes)
        image = viewer.add_image(np.zeros((2, SIZE, SIZE)), name=axes, scale=(9, 2, 3))
        dock.image.value = image
        dock.axes.value = axes
        dock.objects.form.value = ObjectConfig()
        layer = press(qtbot, dock)
        assert layer.name == f"{axes} objects"
        assert layer.data.max() == len(layer.features) == linked
        kept = [i for i, axis in enumerate(axes) if axis != "C"]
        np.testing.assert_array_equal(layer.scale, np.array([9, 2, 3])[kept])
        dock.objects.buttons.boxes_button.click()
        boxes = viewer.layers[f"{axes} objects boxes"]
        np.testing.assert_array_equal(boxes.scale, layer.scale)
        assert len(boxes.data) == linked
        set_thresholds(qtbot, dock, link=None)
        count = 2 if axes == "CYX" else 4
        assert len(np.unique(layer.data)) == len(layer.features) + 1 == count + 1
        np.testing.assert_array_equal(layer.scale, np.array([9, 2, 3])[kept])


def test_a_volume_of_another_orientation_is_reoriented(dock, viewer, qtbot):
    model = FakePretrained(axes="ZYX", orientations=("SAR", "SAL"))
    dock.session.segmenter = model
    header = object()
    rotate = [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]
    place = {"scale": (9, 2, 3), "rotate": rotate, "metadata": {"nifti": header}}
    volume = viewer.add_image(np.zeros((2, SIZE, SIZE)), name="mri", **place)
    dock.image.value = volume
    dock.axes.value = "ZYX"
    layer = press(qtbot, dock)
    set_thresholds(qtbot, dock, score=0.3)
    expected = FakePretrained(axes="ZYX").objects(ObjectConfig(score=0.3)).labels
    np.testing.assert_array_equal(layer.data, expected[..., ::-1])
    np.testing.assert_allclose(layer.extent.world, volume.extent.world)
    assert layer.metadata["nifti"] is header


def test_objects_are_written_after_dock_and_image_are_removed(ready, viewer, qtbot):
    ready.bar.button.click()
    task = ready.session.task
    viewer.window.remove_dock_widget(ready)
    ready.deleteLater()
    viewer.layers.remove("cells")
    with qtbot.waitSignal(task.finished, timeout=60_000):
        pass
    layer = viewer.layers["cells objects"]
    assert len(session(viewer).objects_of(layer)) == 16
    viewer.layers.remove(layer)


class TestInAWindow:
    @pytest.fixture
    def viewer(self, shared_viewer):
        return with_cells(shared_viewer)

    def test_boxes_measurements_and_features_table_follow_the_objects(self, ready, viewer, qtbot):
        layer = press(qtbot, ready)
        ready.objects.buttons.boxes_button.click()
        boxes = viewer.layers["cells objects boxes"]
        assert isinstance(boxes, Shapes)
        assert set(boxes.shape_type) == {"rectangle"}
        assert boxes.features.equals(layer.features)
        row = layer.features.iloc[0]
        np.testing.assert_allclose(boxes.data[0].min(axis=0), (row["y0"] - 0.5, row["x0"] - 0.5))
        np.testing.assert_allclose(boxes.data[0].max(axis=0), (row["y1"] - 0.5, row["x1"] - 0.5))
        np.testing.assert_array_equal(boxes.translate, layer.translate)
        layer.features = layer.features.assign(remark="good")
        ready.objects.buttons.measure_button.click()
        qtbot.waitUntil(lambda: "Measured" in ready.bar.status.text(), timeout=60_000)
        assert {"remark", "solidity", "eccentricity", "y"} <= set(layer.features)
        assert layer.features["y"].iloc[0] == pytest.approx(16, abs=2)  # in um, within the layer
        ready.objects.buttons.table_button.click()
        (table,) = (w for n, w in viewer.window.dock_widgets.items() if "Features" in n)
        assert table.info.text() == 'Features of "cells objects"'
        assert table.table.model().rowCount() == 16
        set_thresholds(qtbot, ready, min_size=200)
        assert table.table.model().rowCount() == len(layer.features) == 8
        assert layer.features["solidity"].notna().all()
        assert len(boxes.data) == len(boxes.features) == 8
        boxes.selected_data = {0}
        boxes.remove_selected()
        assert find_boxes(viewer, layer) is None
        set_thresholds(qtbot, ready, min_size=0)
        assert len(boxes.data) == 7


class TestClosing:
    @pytest.fixture
    def viewer(self, make_napari_viewer):
        return with_cells(make_napari_viewer())

    def test_closing_the_viewer_while_objects_are_filtered(self, ready, viewer, qtbot):
        press(qtbot, ready)
        selector = ready.objects._selector
        ready.objects.form.min_size.value = 200
        qtbot.waitUntil(lambda: selector._task is not None)
        task = selector._task
        viewer.close()
        assert task.wait(20)
        qtbot.wait(100)
