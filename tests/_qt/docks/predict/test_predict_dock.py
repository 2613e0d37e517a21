import numpy as np
import pytest
from PIL import Image as Pictures
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_segkit import (
    ModelSpec,
    PredictConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    draw_labels,
    merge_panoptic,
)
from napari_segkit._qt.docks.predict.predict_dock import PredictDock
from napari_segkit._qt.docks.predict.where import Place
from napari_segkit._qt.session.session import session
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.io.files import read_labels
from napari_segkit.steps import drain

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(tile_size=64), validation=None
)
CORNER = np.array([0]), np.array([0])
PIXELS = np.random.default_rng(0).integers(0, 255, (64, 48), np.uint8)


@pytest.fixture(scope="module")
def trained():
    labels = np.zeros(PIXELS.shape, np.uint8)
    labels[:16], labels[48:] = 1, 2
    return Segmenter(device="cpu").fit(PIXELS, labels, QUICK)


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    viewer.add_image(PIXELS, name="cells", scale=(2, 2), translate=(5, 5), units="um")
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = PredictDock(viewer)
    viewer.window.add_dock_widget(dock)
    background = dock.device._latest
    yield dock
    qtbot.waitUntil(lambda: not (isalive(background) and background.is_busy), timeout=60_000)


@pytest.fixture
def ready(dock, trained):
    dock.session.segmenter = trained
    return dock


def press(qtbot, dock):
    with qtbot.waitSignal(dock.written, timeout=60_000) as written:
        dock.bar.button.click()
    qtbot.waitUntil(lambda: not dock.bar.is_running)
    return written.args[0]


def test_shows_what_is_missing_and_the_model(dock, viewer, trained):
    assert dock.bar.hint.text() == "Train or load a model first."
    assert not dock.bar.button.isEnabled()
    dock.session.segmenter = trained
    assert dock.bar.button.isEnabled()
    assert "Trained for 2 steps" in dock.model.text()
    assert "class 1" in dock.model.text()
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Image layer")


def test_prediction_is_a_layer_aligned_with_the_image(ready, viewer, trained, qtbot):
    layer = press(qtbot, ready)
    assert layer is viewer.layers["cells prediction"]
    np.testing.assert_array_equal(layer.data, trained.predict(PIXELS))
    for name in ("scale", "translate", "units"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(viewer.layers["cells"], name))
    assert list(layer.features["name"]) == ["class 1", "class 2"]
    assert ready.bar.status.text() == "Written to the layer 'cells prediction'."
    ready.image.value = viewer.add_image(np.zeros((9, 9)), name="other")
    assert ready.bar.status.text() == ""


def test_prediction_belongs_to_the_image_chosen_at_the_start(ready, viewer, qtbot):
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    ready.image.value = viewer.layers["cells"]
    ready.bar.button.click()
    ready.image.value = other
    viewer.layers.selection.active = other
    with qtbot.waitSignal(ready.written, timeout=60_000):
        pass
    assert viewer.layers["cells prediction"].data.shape == PIXELS.shape
    qtbot.waitUntil(lambda: not ready.bar.is_running)


def test_prediction_is_written_after_dock_and_image_are_removed(ready, viewer, qtbot):
    ready.bar.button.click()
    task = ready.session.task
    viewer.window.remove_dock_widget(ready)
    ready.deleteLater()
    viewer.layers.remove("cells")
    with qtbot.waitSignal(task.finished, timeout=60_000):
        pass
    assert viewer.layers["cells prediction"].data.shape == PIXELS.shape


def test_predicting_again_updates_the_layer_unless_painted_on(ready, viewer, qtbot):
    first = press(qtbot, ready)
    assert press(qtbot, ready) is first
    first.data_setitem(CORNER, 2 if first.data[0, 0] == 1 else 1)
    second = press(qtbot, ready)
    assert second is not first
    assert len(viewer.layers) == 3


def test_uncertainty_is_a_layer_that_follows_the_prediction(ready, viewer, trained, qtbot):
    ready.network.uncertainty.value = "margin"
    ready.network.flips.value = True
    layer = press(qtbot, ready)
    shown = viewer.layers["cells prediction: uncertainty"]
    expected = drain(trained.predict_tiles(PIXELS, config=ready.network.value)).uncertainty
    np.testing.assert_array_equal(shown.data, expected)
    np.testing.assert_array_equal(shown.scale, layer.scale)
    assert shown.contrast_limits == [0, 1]
    ready.network.uncertainty.value = "entropy"
    assert press(qtbot, ready) is layer
    assert not np.array_equal(shown.data, expected)
    assert len(viewer.layers) == 3
    assert "config=PredictConfig(flips=True, uncertainty='entropy')" in ready.code()
    ready.network.uncertainty.value = None
    press(qtbot, ready)
    assert shown.name == "cells prediction: uncertainty (earlier)"


def test_the_layer_is_saved_as_a_picture_in_its_colours(ready, viewer, qtbot, tmp_path):
    assert not ready.picture.button.isEnabled()
    layer = press(qtbot, ready)
    assert ready.picture.button.isEnabled()
    ready.picture.save(tmp_path / "a")
    qtbot.waitUntil(lambda: (tmp_path / "a.png").exists(), timeout=30_000)
    qtbot.waitUntil(lambda: ready.bar.status.text().startswith("Saved as"))
    picture = np.asarray(Pictures.open(tmp_path / "a.png")).astype(int)
    colors = layer.colormap.map(layer.data)[..., :3]
    grey = draw_labels(PIXELS, np.zeros_like(PIXELS)).astype(int)
    assert np.abs(picture - (0.4 * grey + 0.6 * 255 * colors)).max() <= 1
    ready.picture.style_choice.value = "cutout"
    ready.picture.save(tmp_path / "b.png")
    qtbot.waitUntil(lambda: (tmp_path / "b.png").exists(), timeout=30_000)
    assert np.asarray(Pictures.open(tmp_path / "b.png")).shape == (*PIXELS.shape, 4)


def test_what_the_network_does_not_have_is_said_before_the_press(ready):
    ready.network.passes.value = 2
    assert "has no dropout" in ready.bar.hint.text()
    assert "Passes" in ready.bar.hint.text()
    ready.network.passes.value = 1
    assert ready.bar.button.isEnabled()


def test_copied_python_gives_the_same_result(ready, viewer, trained, qtbot):
    ready.form.batch_size.value = 2
    ready.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "TileConfig(batch_size=2)" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, trained.predict(PIXELS))


def test_a_wrong_number_of_channels_is_reported(ready, viewer, qtbot):
    pixels = np.full((64, 64, 3), (9, 60, 200), np.uint8)
    colour = viewer.add_image(pixels, name="colour", rgb=True)
    ready.image.value = colour
    assert "takes 1 channel, but colour has 3 channels" in ready.bar.hint.text()
    assert not ready.bar.button.isEnabled()


def test_stop_keeps_the_slices_that_are_done(ready, viewer, trained, qtbot):
    stack = viewer.add_image(np.stack([PIXELS] * 300), name="stack", scale=(1, 2, 2), units="um")
    ready.image.value = stack
    with qtbot.waitSignal(ready.bar.yielded, timeout=60_000):
        ready.bar.button.click()
    with qtbot.waitSignal(ready.bar.finished, timeout=60_000):
        ready.bar.button.click()
    layer = viewer.layers["stack prediction (partial)"]
    np.testing.assert_array_equal(layer.data[0], trained.predict(PIXELS))
    assert not layer.data[-1].any()
    assert ready.bar.status.text().startswith(
        "Written to the layer 'stack prediction (partial)', of which "
    )


def test_the_mean_over_three_axes_is_that_of_a_stack(ready, viewer, trained, qtbot):
    stack = np.random.default_rng(1).integers(0, 255, (6, 40, 36), np.uint8)
    ready.network.three_axes.value = True
    ready.bar.button.click()  # of the plane image
    qtbot.waitUntil(lambda: "cells has no slices along Z" in ready.bar.status.text())
    ready.image.value = viewer.add_image(stack, name="stack")
    layer = press(qtbot, ready)
    config = PredictConfig(three_axes=True)
    np.testing.assert_array_equal(layer.data, trained.predict(stack, config=config))
    assert not np.array_equal(layer.data, trained.predict(stack))
    assert "config=PredictConfig(three_axes=True)" in ready.code()


def test_the_view_the_slice_regions_and_selected_images(ready, viewer, trained, qtbot):
    place, whole = ready.where.place, trained.predict(PIXELS)
    stack = viewer.add_image(np.stack([PIXELS] * 3), name="stack", scale=(1, 2, 2), units="um")
    ready.image.value = stack
    place.value = Place.SLICE
    viewer.dims.set_point(0, 2)
    layer = press(qtbot, ready)
    np.testing.assert_array_equal(layer.data, [0 * whole, 0 * whole, whole])
    viewer.scene.camera.zoom, viewer.scene.camera.center = 1000, (64, 40)
    viewer.dims.set_point(0, 0)
    place.value = Place.VIEW
    assert press(qtbot, ready) is layer
    seen = np.zeros(PIXELS.shape, bool)
    half = np.array(viewer.canvas.size) / 1000 / 2 / 2  # pixels of 2 um
    low, high = np.array([32, 20]) - half, np.array([32, 20]) + half
    rows, columns = [slice(int(a + 0.5), int(b + 0.5) + 1) for a, b in zip(low, high, strict=True)]
    seen[rows, columns] = True
    np.testing.assert_array_equal(layer.data[0], np.where(seen, whole, 0))
    assert "region={'Z': 0" in ready.code()
    place.value = Place.REGIONS
    ready.bar.button.click()
    assert ready.bar.status.text().startswith("Draw regions in a Shapes layer first")
    corner = np.array([[1, 0, 0], [1, 0, 20], [1, 20, 20], [1, 20, 0]])  # of slice 1, in um
    viewer.add_shapes([corner], shape_type="rectangle", name="regions")
    assert press(qtbot, ready) is layer
    np.testing.assert_array_equal(layer.data[1, :10, :10], whole[:10, :10])
    assert not layer.data[1, 10:].any()
    assert "region=viewer.layers['regions']" in ready.code()
    viewer.scene.camera.center = 10_000, 0
    place.value = Place.VIEW
    ready.bar.button.click()
    assert ready.bar.status.text() == "stack is not in view: move or zoom the canvas to it."
    place.value = Place.SELECTED
    viewer.layers.selection = {viewer.layers["cells"], stack}
    assert ready.where.note.text() == "Selected: cells, stack."
    assert not ready.options.of_one.isVisibleTo(ready.options)  # levels and channels of one image
    assert "predict_layers([viewer.layers['cells'], viewer.layers['stack']]" in ready.code()
    press(qtbot, ready)
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, whole)
    np.testing.assert_array_equal(layer.data, [whole] * 3)


@pytest.mark.filterwarnings("ignore:.*begun before:UserWarning")
def test_a_result_goes_to_a_folder_and_is_shown_from_there(ready, viewer, trained, qtbot, tmp_path):
    stack = viewer.add_image(np.stack([PIXELS] * 100), name="stack", scale=(1, 2, 2), units="um")
    ready.image.value, ready.write_to.place.value = stack, True
    ready.state.request()
    assert "whose name ends with .zarr" in ready.bar.reason
    ready.write_to.line.setText(str(tmp_path / "cells.zarr"))
    assert f"out={str(tmp_path / 'cells.zarr')!r}" in ready.code()
    with qtbot.waitSignal(ready.bar.yielded, timeout=60_000):
        ready.bar.button.click()
    with qtbot.waitSignal(ready.bar.finished, timeout=60_000):
        ready.bar.button.click()
    assert ready.bar.status.text().startswith("Stopped: what is finished is kept")
    assert not (tmp_path / "cells.zarr").exists()
    layer = press(qtbot, ready)
    assert layer.name == "cells.zarr"
    assert not layer.editable
    np.testing.assert_array_equal(full_resolution(layer)[99], trained.predict(PIXELS))
    np.testing.assert_array_equal(layer.scale, stack.scale)
    assert list(layer.features["name"]) == ["class 1", "class 2"]
    assert viewer.layers.index(layer) > viewer.layers.index(stack)
    ready.bar.button.click()
    qtbot.waitUntil(lambda: not ready.bar.is_running, timeout=60_000)
    assert "exists already: choose another name, or overwrite" in ready.bar.status.text()
    ready.write_to.overwrite.value = True
    assert press(qtbot, ready) is not layer
    assert layer not in viewer.layers


@pytest.mark.slow
def test_segments_of_a_merged_model_go_to_a_folder(ready, trained, qtbot, tmp_path):
    ids = np.zeros(PIXELS.shape, np.int32)
    ids[4:20, 4:20], ids[40:60, 20:40] = 1, 2
    instance = Segmenter(ModelSpec("pixels", objects="components"), device="cpu").fit(PIXELS, ids)
    ready.session.segmenter = merged = merge_panoptic(trained, instance, stuff=[1, 2])
    ready.write_to.place.value = True
    ready.write_to.line.setText(str(tmp_path / "cells.zarr"))
    layer = press(qtbot, ready)
    expected = merged.predict_objects(PIXELS)
    np.testing.assert_array_equal(full_resolution(layer), expected.labels)
    assert list(layer.features["kind"]) == list(expected.table["kind"])


def test_files_are_predicted_into_a_folder(ready, trained, qtbot, tmp_path):
    images = tmp_path / "images/deep"
    images.mkdir(parents=True)
    Pictures.fromarray(PIXELS).save(images / "a.png")
    (images / "b.png").write_bytes(b"nonsense")
    ready.viewer.layers.clear()
    ready.where.place.value = Place.FILES
    assert ready.bar.reason == "Choose files or a folder of images."
    ready.files.images.setText(f"{tmp_path / 'images'}")
    ready.files.output.setText(f"{tmp_path / 'out'}")
    ready.files.measure.value = True
    ready.state.request()
    assert "predict_files(session(viewer).segmenter, " in ready.code()
    with qtbot.waitSignal(ready.bar.finished, timeout=60_000):
        ready.bar.button.click()
    np.testing.assert_array_equal(read_labels(tmp_path / "out/deep/a.tif"), trained.predict(PIXELS))
    assert (tmp_path / "out/measurements.csv").is_file()
    assert ready.files.failed.item(0, 0).text() == "deep/b.png"
    assert "cannot be read" in ready.files.failed.item(0, 1).text()
    assert ready.bar.status.text().endswith("1 failed.")


def test_axes_default_to_training_and_can_be_chosen(dock, viewer, qtbot):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64), np.uint8)
    labels = np.ones((64, 64), np.uint8)
    labels[:16] = 2
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")  # trains faster than a network
    dock.session.segmenter = segmenter.fit(pixels, labels, TrainConfig(), axes="CYX")
    dock.image.value = viewer.add_image(pixels, name="channels")
    assert dock.axes.native.itemText(0) == "auto (CYX)"
    stack = viewer.add_image(pixels, name="stack", axis_labels=("z", "y", "x"), scale=(9, 2, 3))
    dock.image.value = stack
    dock.axes.value = "CYX"
    layer = press(qtbot, dock)
    assert layer.data.shape == (64, 64)
    np.testing.assert_array_equal(layer.scale, (2, 3))


def make_masks(qtbot, dock):
    with qtbot.waitSignal(dock.masks.written, timeout=20_000) as written:
        dock.masks.button.click()
    return written.args[0]


def test_predicted_classes_are_written_with_other_values(ready, viewer, qtbot):
    assert not ready.masks.button.isEnabled()
    predicted, masks = press(qtbot, ready), ready.masks
    qtbot.waitUntil(masks.button.isEnabled)
    assert [i.text() for i in masks.list.entries()] == ["class 1", "class 2"]
    masks.form.values.value = "class 1=255, class 2=128"
    with qtbot.assertNotEmitted(ready.written):  # Evaluate and Refine would take them
        both = make_masks(qtbot, ready)
    assert both.data.dtype == np.uint8
    np.testing.assert_array_equal(both.data, np.array([0, 255, 128])[predicted.data])
    masks.list.entries()[0].setCheckState(Qt.CheckState.Unchecked)
    masks.form.values.value = "255"
    one = make_masks(qtbot, ready)
    assert one.name == "cells prediction: class 2"
    np.testing.assert_array_equal(one.data, 255 * (predicted.data == 2))
    np.testing.assert_array_equal(one.scale, predicted.scale)


def test_values_that_cannot_be_read_are_told_in_the_dock(ready, qtbot):
    press(qtbot, ready)
    qtbot.waitUntil(ready.masks.button.isEnabled)
    ready.masks.form.values.value = "class 1=white"
    ready.masks.button.click()
    assert "give each class a whole number" in ready.bar.status.text()


def test_masks_follow_the_layers(ready, viewer, qtbot):
    layer = press(qtbot, ready)
    qtbot.waitUntil(ready.masks.button.isEnabled)
    other = viewer.add_image(PIXELS, name="other")
    qtbot.waitUntil(lambda: not ready.masks.button.isEnabled())
    viewer.layers.remove(other)
    ready.image.value = viewer.layers["cells"]
    qtbot.waitUntil(ready.masks.button.isEnabled)
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not ready.masks.button.isEnabled())


def trained_on_three_channels(dock, axes):
    shape = [{"C": 3, "Y": 64, "X": 48}[axis] for axis in axes]
    labels = np.zeros((64, 48), np.uint8)
    labels[:16], labels[48:] = 1, 2
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    dock.session.segmenter = Segmenter(device="cpu").fit(pixels, labels, QUICK, axes=axes)
    return pixels


def test_grey_is_taken_as_colour_by_a_model_of_colours(dock, viewer, qtbot):
    trained_on_three_channels(dock, "YXC")
    assert dock.image.value.name == "cells"
    assert dock.bar.button.isEnabled()


def test_channels_are_compared_before_the_button_is_enabled(dock, viewer, qtbot):
    pixels = trained_on_three_channels(dock, "CYX")
    assert dock.bar.hint.text().startswith("The model takes 3 channels, but cells has 1 channel")
    viewer.add_image(np.zeros((200, 64, 48), np.uint8), name="stack")
    assert dock.bar.hint.text().startswith("The model takes 3 channels, but stack has 1 channel")
    assert not dock.bar.button.isEnabled()
    viewer.add_image(pixels, name="three")
    assert dock.bar.button.isEnabled()


def test_the_image_follows_the_selected_prediction(ready, viewer, qtbot):
    layer = press(qtbot, ready)
    viewer.add_image(PIXELS, name="other")
    assert ready.image.value.name == "other"
    viewer.layers.selection.active = layer
    assert ready.image.value.name == "cells"


def test_the_scheduler_of_a_cluster_is_named_and_must_answer(ready, qtbot):
    ready.cluster.scheduler.value = " "
    assert "Scheduler is empty: give the address" in ready.bar.hint.text()
    ready.cluster.scheduler.value, ready.cluster.timeout.value = "tcp://127.0.0.1:9", 0.2
    assert "cluster=ClusterConfig(scheduler='tcp://127.0.0.1:9', timeout=0.2)" in ready.code()
    ready.bar.button.click()
    qtbot.waitUntil(lambda: not ready.bar.is_running, timeout=60_000)
    assert "tcp://127.0.0.1:9 does not answer within 0.2 s" in ready.bar.status.text()
