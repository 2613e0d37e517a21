import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from qtpy.compat import isalive
from qtpy.QtGui import QGuiApplication, QHideEvent

from napari_segkit import (
    CleanConfig,
    CRFConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    RefineConfig,
    Segmenter,
    TrainConfig,
    evaluate,
    refine,
)
from napari_segkit._qt.docks.refine.preview_region import ViewRegion, refine_view
from napari_segkit._qt.docks.refine.refine_dock import RefineDock
from napari_segkit._qt.layers.probability_layers import show_probabilities
from napari_segkit._qt.session.session import session
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import ClassProbabilities, LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks
from napari_segkit.instances.results import Objects
from napari_segkit.jobs.refine import RefineRequest, RefineSource
from napari_segkit.refinement.soft_labels import soft_labels

CLASSES = LabelClass(1, "background", "#0000ff"), LabelClass(2, "cell", "#ff0000")
MRF = RefineConfig("mrf", mrf=MRFConfig(weight=3.0))
STRONG = CRFConfig(
    iterations=5, smoothness_weight=3.0, smoothness_sigma=3.0,
    appearance_weight=10.0, appearance_sigma=20.0, intensity_sigma=0.05,
)  # fmt: skip
PLACE = {"scale": (2, 2), "translate": (5, 5), "units": "um"}


def scene():
    """Image of a bright square, ground truth, and noisy probabilities."""
    rng = np.random.default_rng(0)
    truth = np.ones((40, 48), np.uint8)
    truth[10:30, 12:36] = 2
    pixels = rng.normal(50.0 * truth, 4).astype(np.float32)
    cell = np.clip(0.3 + 0.4 * (truth == 2) + rng.normal(0, 0.2, truth.shape), 0.01, 0.99)
    return pixels, truth, np.stack([1 - cell, cell]).astype(np.float32)


PIXELS, TRUTH, MAPS = scene()
RAW = MAPS.argmax(axis=0).astype(np.uint8) + 1


@pytest.fixture
def viewer(light_viewer):
    viewer = light_viewer
    viewer.add_image(PIXELS.copy(), name="cells", **PLACE)
    viewer.add_labels(RAW.copy(), name="raw", **PLACE)
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    yield from docked(viewer, qtbot)


def docked(viewer, qtbot):
    dock = RefineDock(viewer)
    dock.form.value = MRF
    viewer.window.add_dock_widget(dock)
    background = dock.device._latest, dock.inputs.start._reader, dock.preview.preview._latest
    yield dock
    qtbot.waitUntil(lambda: not any(isalive(x) and x.is_busy for x in background), timeout=60_000)


@pytest.fixture
def dock_with_maps(dock, viewer, qtbot):
    """A dock with stored probabilities for the labels."""
    dock.session.keep_probabilities(viewer.layers["raw"], ClassProbabilities(MAPS, CLASSES, "YX"))
    return dock


def ready(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.inputs.start.is_busy, timeout=60_000)


def press(qtbot, dock):
    with qtbot.waitSignal(dock.written, timeout=60_000) as written:
        dock.bar.button.click()
    qtbot.waitUntil(lambda: not dock.bar.is_running)
    return written.args[0]


def spacing_of(viewer):
    return {"spacing": (2.0, 2.0), "axes": "YX"}


def test_stored_probabilities_are_the_default_input(dock, viewer):
    choice = dock.inputs.start.choice
    assert choice.current_choice == "Labels"
    assert not dock.inputs.start.certainty.native.isHidden()
    dock.session.keep_probabilities(viewer.layers["raw"], ClassProbabilities(MAPS, CLASSES, "YX"))
    assert choice.choices == ("probabilities", "labels")
    assert choice.current_choice == "Stored probabilities"
    assert dock.inputs.start.certainty.native.isHidden()
    dock.session.keep_probabilities(viewer.layers["raw"], None)
    assert choice.current_choice == "Labels"


def test_result_is_a_new_layer_and_the_raw_one_is_kept(dock_with_maps, viewer, qtbot):
    layer = press(qtbot, dock_with_maps)
    assert layer is viewer.layers["raw refined"]
    expected = refine(MAPS, PIXELS, MRF, values=(1, 2), **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_array_equal(viewer.layers["raw"].data, RAW)
    np.testing.assert_array_equal(layer.translate, (5, 5))
    assert list(layer.features["name"]) == ["background", "cell"]
    provenance = layer.metadata["segkit"]["refined"]
    assert (provenance["start"], provenance["config"]["mrf"]["weight"]) == ("probabilities", 3.0)
    assert not viewer.layers["raw"].visible
    assert "'raw' is hidden" in dock_with_maps.bar.status.text()
    assert dock_with_maps.inputs.layer.value is viewer.layers["raw"]
    assert press(qtbot, dock_with_maps) is layer  # again: updated


def test_labels_are_refined_as_soft_labels(dock, viewer, qtbot):
    dock.inputs.start.certainty.value = 0.7
    layer = press(qtbot, dock)
    soft, values = soft_labels(RAW, certainty=0.7)
    expected = refine(soft, PIXELS, MRF, values=values, **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    colors = [viewer.layers["raw"].get_color(v) for v in (1, 2)]
    np.testing.assert_allclose([layer.get_color(v) for v in (1, 2)], colors, atol=0.01)


def test_unlabelled_pixels_get_a_class(dock, viewer, qtbot):
    scribbles = np.zeros_like(RAW)
    scribbles[20, 20:30], scribbles[2, 5:40] = 2, 1
    dock.inputs.layer.value = viewer.add_labels(scribbles, name="scribbles", **PLACE)
    dock.inputs.start.unlabelled.value = 0
    dock.form.value = RefineConfig("crf", crf=replace(STRONG, appearance_sigma=30.0))
    layer = press(qtbot, dock)
    assert evaluate(layer.data, TRUTH).mean_iou > 0.9


def test_an_image_of_probabilities_can_be_refined(dock, viewer, qtbot):
    maps = viewer.add_image(MAPS, name="maps", scale=(1, 2, 2), translate=(0, 5, 5))
    dock.inputs.layer.value = maps
    dock.inputs.image.value = viewer.layers["cells"]
    layer = press(qtbot, dock)
    expected = refine(MAPS, PIXELS, MRF, **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_array_equal(layer.scale, (2, 2))


def test_probability_layers_of_all_classes_are_combined(dock_with_maps, viewer, qtbot):
    raw = viewer.layers["raw"]
    shown = show_probabilities(viewer, raw, dock_with_maps.session.probabilities_of(raw))
    assert [layer.name for layer in shown] == ["raw: background", "raw: cell"]
    assert show_probabilities(viewer, raw, dock_with_maps.session.probabilities_of(raw)) == shown
    viewer.layers.remove(raw)
    dock_with_maps.inputs.layer.value = shown[1]
    dock_with_maps.inputs.image.value = viewer.layers["cells"]
    layer = press(qtbot, dock_with_maps)
    expected = refine(MAPS, PIXELS, MRF, values=(1, 2), **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)


def test_other_images_are_not_offered(dock, viewer):
    viewer.add_image(np.zeros((4, 9, 9), np.uint8), name="stack")
    viewer.add_image(np.zeros((9, 9)), name="float")
    offered = [layer.name for layer in dock.inputs.layer.choices]
    assert offered == ["raw"]


def test_copied_python_gives_the_same_result(dock, viewer, qtbot):
    ready(qtbot, dock)
    dock.inputs.start.certainty.value = 0.7
    dock.form.clean.choice.native.setCurrentIndex(1)
    dock.form.clean.form.min_size.value = 30.0
    dock.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "clean=(CleanConfig(value=2, min_size=30.0),)" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    copied = viewer.layers["raw refined"].data.copy()
    np.testing.assert_array_equal(press(qtbot, dock).data, copied)


def test_slices_are_refined_in_3d_or_separately(viewer, dock, qtbot):
    viewer.layers.clear()
    viewer.add_image(np.stack([PIXELS] * 3), name="stack", scale=(4, 1, 1))
    viewer.add_labels(np.stack([RAW, TRUTH, RAW]), name="raw stack", scale=(4, 1, 1))
    assert not dock.inputs.stack.native.isHidden()
    together = press(qtbot, dock).data.copy()
    dock.inputs.stack.value = "slice by slice"
    assert "axes='TYX'" in dock.code()
    apart = press(qtbot, dock).data
    soft, values = soft_labels(RAW)
    expected = refine(soft, PIXELS, MRF, values=values)
    np.testing.assert_array_equal(apart[0], expected)
    assert (together[0] != apart[0]).any()


def test_default_is_slice_by_slice_for_a_2d_model(viewer, model, qtbot):
    viewer.layers.clear()
    image = viewer.add_image(np.stack([PIXELS] * 3), name="stack")
    labels = viewer.add_labels(np.stack([RAW] * 3), name="stack prediction")
    session(viewer).segmenter = model
    maps = np.stack([MAPS] * 3, axis=1)
    session(viewer).keep_probabilities(labels, ClassProbabilities(maps, CLASSES, "ZYX"))
    for dock in docked(viewer, qtbot):
        assert dock.inputs.image.value is image
        assert not dock.inputs.stack.native.isHidden()
        assert dock.inputs.stack.value == "slice by slice"
        layer = press(qtbot, dock)
        np.testing.assert_array_equal(layer.data[1], refine(MAPS, PIXELS, MRF, values=(1, 2)))


def test_classes_are_read_again_for_another_layer(dock, viewer, qtbot):
    ready(qtbot, dock)
    start, raw = dock.inputs.start, viewer.layers["raw"]
    assert start.source_with_classes.name == "raw"
    raw.data = TRUTH.copy()
    assert start.source_with_classes.name == "raw"  # a preview stays while a person paints
    dock.inputs.layer.value = viewer.add_labels(RAW.copy() + 4, name="other", **PLACE)
    assert start.source_with_classes is None
    assert dock.inputs.request(MRF, with_classes=True) is None
    ready(qtbot, dock)
    assert [c.value for c in start.classes] == [5, 6]


def test_refining_a_result_records_both_settings(dock_with_maps, viewer, qtbot):
    dock_with_maps.inputs.layer.value = press(qtbot, dock_with_maps)
    dock_with_maps.form.value = RefineConfig("mrf", mrf=MRFConfig(weight=1.0))
    provenance = press(qtbot, dock_with_maps).metadata["segkit"]["refined"]
    assert (provenance["start"], provenance["config"]["mrf"]["weight"]) == ("labels", 1.0)
    assert provenance["before"]["config"]["mrf"]["weight"] == 3.0


def test_shows_what_is_missing_or_does_not_fit(dock, viewer):
    dock.form.method.value = None
    assert dock.bar.hint.text().startswith("Nothing to do")
    dock.form.method.value = "mrf"
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    dock.inputs.image.value = other
    assert "choose the image it belongs to" in dock.bar.hint.text()
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Labels layer")
    assert not dock.bar.copy_button.isEnabled()


def test_instance_ids_are_rejected_with_a_message(dock, viewer, qtbot):
    ids = np.arange(PIXELS.size, dtype=np.uint16).reshape(PIXELS.shape)
    dock.inputs.layer.value = viewer.add_labels(ids, name="ids", **PLACE)
    ready(qtbot, dock)
    assert "merge them into one foreground class" in dock.bar.hint.text()


def test_stop_adds_no_layer(dock_with_maps, viewer, qtbot):
    stack = viewer.add_image(np.stack([PIXELS] * 400), name="movie", axis_labels=("t", "y", "x"))
    labels = viewer.add_labels(np.stack([RAW] * 400), name="raw movie")
    dock_with_maps.inputs.layer.value = labels
    dock_with_maps.inputs.image.value = stack
    with qtbot.waitSignal(dock_with_maps.bar.yielded, timeout=60_000):
        dock_with_maps.bar.button.click()
    with qtbot.waitSignal(dock_with_maps.bar.finished, timeout=60_000):
        dock_with_maps.bar.button.click()
    assert "raw movie refined" not in viewer.layers


def test_metrics_before_and_after_are_shown(dock_with_maps, viewer, qtbot):
    dock_with_maps.truth.layer.value = viewer.add_labels(TRUTH, name="truth", **PLACE)
    layer = press(qtbot, dock_with_maps)
    table = dock_with_maps.truth.changes
    shown = [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]
    before, after = evaluate(RAW, TRUTH), evaluate(layer.data, TRUTH)
    assert [row[0] for row in shown] == ["background", "cell", "mean"]
    assert shown[1][1] == f"{before.iou[2]:.3f} → {after.iou[2]:.3f}"
    assert shown[2][2] == f"{before.mean_dice:.3f} → {after.mean_dice:.3f}"
    dock_with_maps.truth.layer.value = None
    assert table.isHidden()


def test_the_best_settings_are_set_in_the_form(dock_with_maps, viewer, qtbot):
    assert "Choose a truth" in dock_with_maps.truth.bar.hint.text()
    dock_with_maps.truth.layer.value = viewer.add_labels(TRUTH, name="truth", **PLACE)
    dock_with_maps.form.value = RefineConfig("mrf", mrf=MRFConfig(weight=0.1))
    with qtbot.waitSignal(dock_with_maps.truth.bar.finished, timeout=60_000):
        dock_with_maps.truth.bar.button.click()
    trials = dock_with_maps.truth.trials.trials
    assert dock_with_maps.truth.trials.item(0, 0).text() == "no smoothing"
    assert dock_with_maps.truth.trials.item(1, 0).text() == "initial settings"
    assert dock_with_maps.form.value == max(trials, key=lambda t: t.mean_iou).config
    assert "best settings are set above" in dock_with_maps.truth.bar.status.text()
    dock_with_maps.truth.trials.cellClicked.emit(1, 0)
    assert dock_with_maps.form.value.mrf.weight == 0.1


def test_reports_if_no_smoothing_is_best(dock_with_maps, viewer, qtbot):
    dock_with_maps.truth.layer.value = viewer.add_labels(RAW.copy(), name="truth", **PLACE)
    with qtbot.waitSignal(dock_with_maps.truth.bar.finished, timeout=60_000):
        dock_with_maps.truth.bar.button.click()
    assert dock_with_maps.form.method.value is None
    text = dock_with_maps.truth.bar.status.text()
    assert text.startswith("Mean IoU 1.0000 without smoothing, at most 0.")
    assert text.endswith("Smoothing is now off.")


@pytest.fixture
def model():
    labels = np.where(TRUTH == 2, 2, 1).astype(np.uint8)
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(PIXELS, labels, TrainConfig())


def test_settings_are_stored_with_the_model(dock, model, qtbot):
    assert not dock.keep_settings.button.isEnabled()
    dock.session.segmenter = model
    with qtbot.waitSignal(dock.session.segmenter_changed, timeout=60_000):
        dock.keep_settings.button.click()
    qtbot.waitUntil(lambda: dock.session.task is None)
    assert dock.session.segmenter.refine == MRF
    assert dock.keep_settings.status.text().startswith("Stored")
    dock.form.method.value = "crf"
    assert dock.keep_settings.status.text() == ""


def test_settings_that_do_not_fit_the_model_are_rejected(dock, model, qtbot):
    dock.session.segmenter = model
    dock.form.value = RefineConfig("mrf", clean=(CleanConfig(77, largest=True),))
    qtbot.waitUntil(dock.keep_settings.button.isEnabled, timeout=10_000)
    dock.keep_settings.button.click()
    qtbot.waitUntil(lambda: "77" in dock.keep_settings.status.text(), timeout=60_000)
    qtbot.waitUntil(lambda: dock.session.task is None)


def square_objects():
    """An object whose soft mask is too small for the bright square, and one elsewhere."""
    soft = np.full((2, 28, 28), 0.3, np.float16)
    soft[:, 6:22, 6:22] = 0.8
    boxes = np.array([(10, 8, 38, 32), (0, 0, 6, 6)], np.float32)
    candidates = SoftMasks(boxes, soft, np.array([1, 1]), np.array([0.9, 0.8], np.float32))
    image = AxesImage(np.broadcast_to(np.uint8(0), PIXELS.shape), "YX")
    named = LabelClass(0, "background", "#000000"), CLASSES[1]
    return Objects(MaskCandidates([candidates], image), ObjectConfig(), named, image)


@pytest.fixture
def objects(viewer, dock):
    """Objects stored for a layer that the dock refines."""
    squares = square_objects()
    image = viewer.layers["cells"]
    place = {"scale": image.scale, "translate": image.translate, "units": image.units}
    layer = viewer.add_labels(squares.labels.copy(), name="squares", **place)
    dock.session.keep_objects(layer, squares)
    dock.inputs.layer.value = layer
    dock.form.value = RefineConfig("crf", crf=replace(STRONG, appearance_sigma=8.0))
    return squares


def test_objects_are_smoothed_separately(objects, dock, viewer, qtbot):
    assert dock.inputs.start.choice.current_choice == "Object masks, one by one"
    assert not dock.form.clean.section.isEnabled()
    dock.truth.layer.value = viewer.add_labels((TRUTH == 2).astype(np.uint8), name="truth", **PLACE)
    assert dock.truth.bar.hint.text().startswith("Fitting needs labels or probabilities")
    layer = press(qtbot, dock)
    assert layer.name == "squares refined"
    inside = TRUTH == 2
    before, after = (np.mean((x == 1) == inside) for x in (objects.labels, layer.data))
    assert after > before + 0.1
    table = dock.truth.changes
    assert table.item(1, 1).text() != table.item(1, 2).text()
    refined = dock.session.objects_of(layer)
    np.testing.assert_array_equal(refined.labels, layer.data)
    assert list(layer.features["class"]) == ["cell"] * len(refined)
    dock.form.method.value = None
    assert dock.bar.hint.text().startswith("Nothing to do")


def test_visible_objects_are_counted():
    squares = square_objects()
    source = RefineSource("squares", objects=squares)
    request = RefineRequest(source, None, RefineConfig(), "YX")
    corner = ViewRegion({}, (slice(0, 10), slice(0, 12)))  # the large one's box, not its mask
    result = refine_view(request, request.axes_image(), corner, None)
    assert result.text == "Preview of 1 object."
    assert set(np.unique(result.labels)) == {0, 2}


class TestPreview:
    @pytest.fixture
    def viewer(self, shown_viewer):
        viewer = shown_viewer
        viewer.add_image(PIXELS.copy(), name="cells")
        viewer.add_labels(RAW.copy(), name="raw")
        return viewer

    @pytest.fixture
    def dock(self, viewer, qtbot):
        yield from docked(viewer, qtbot)

    def show(self, qtbot, dock, *, fit=True):
        qtbot.waitUntil(lambda: dock.preview.isVisible(), timeout=60_000)
        ready(qtbot, dock)
        if fit:
            dock.viewer.reset_view()  # the canvas has its size by now
        qtbot.wait(50)  # it is drawn
        dock.preview.checkbox.value = True
        return self.wait(qtbot, dock)

    def wait(self, qtbot, dock):
        preview = dock.preview.preview
        qtbot.waitUntil(lambda: not preview.is_busy and preview.layer is not None, timeout=60_000)
        return preview.layer

    def test_shows_the_refined_labels_and_follows_the_settings(self, dock_with_maps, viewer, qtbot):
        layer = self.show(qtbot, dock_with_maps)
        assert layer.name == "raw refined (preview)"
        expected = refine(MAPS, PIXELS, MRF, values=(1, 2))
        np.testing.assert_array_equal(layer.data, expected)
        assert not viewer.layers["raw"].visible
        dock_with_maps.form.mrf.weight.value = 0.5
        assert self.wait(qtbot, dock_with_maps) is layer
        weak = refine(MAPS, PIXELS, RefineConfig("mrf", mrf=MRFConfig(weight=0.5)), values=(1, 2))
        np.testing.assert_array_equal(layer.data, weak)
        assert dock_with_maps.inputs.layer.value is viewer.layers["raw"]
        dock_with_maps.preview.checkbox.value = False
        assert layer not in viewer.layers
        assert viewer.layers["raw"].visible

    def test_follows_the_pixels_of_the_image(self, dock_with_maps, viewer, qtbot):
        config = RefineConfig("mrf", mrf=MRFConfig(weight=3.0, intensity_sigma=0.05))
        dock_with_maps.form.value = config
        layer, image = self.show(qtbot, dock_with_maps), viewer.layers["cells"]
        for in_place in (True, False):
            before = layer.data.copy()
            pixels = image.data if in_place else PIXELS.copy()
            pixels[:, 40:] *= 20 if in_place else 1
            image.data = pixels
            self.wait(qtbot, dock_with_maps)
            np.testing.assert_array_equal(layer.data, refine(MAPS, pixels, config, values=(1, 2)))
            assert (layer.data != before).any()

    def test_only_the_visible_region_is_refined(self, dock_with_maps, viewer, qtbot):
        viewer.scene.camera.center = 20, 10
        viewer.scene.camera.zoom = 60
        layer = self.show(qtbot, dock_with_maps, fit=False)
        (_, left), (_, right) = viewer.layers["raw"].corner_pixels
        assert layer.data.any()
        assert not layer.data[:, right + 2 :].any()
        assert right < 38
        viewer.scene.camera.center = 20, 40
        qtbot.waitUntil(lambda: bool(layer.data[20, 40]), timeout=60_000)
        assert not layer.data[:, : left + 1].any()

    def test_ends_when_the_dock_is_hidden_or_the_layer_removed(self, dock_with_maps, viewer, qtbot):
        for end in ("hidden", "removed"):
            dock_with_maps.preview.untick()
            layer = self.show(qtbot, dock_with_maps)
            if end == "hidden":
                dock_with_maps.preview.hideEvent(QHideEvent())
            else:
                viewer.layers.remove(layer)
                assert not dock_with_maps.preview.checkbox.value
            assert [x.name for x in viewer.layers] == ["cells", "raw"]
            assert viewer.layers["raw"].visible

    def test_a_closed_dock_is_freed(self, viewer, qtbot):
        dock = RefineDock(viewer)
        viewer.window.add_dock_widget(dock)
        background = dock.device._latest
        qtbot.waitUntil(lambda: not background.is_busy, timeout=60_000)
        dock.form.value = MRF
        self.show(qtbot, dock)
        viewer.window.remove_dock_widget(dock)
        assert [x.name for x in viewer.layers] == ["cells", "raw"]
        gone = weakref.ref(dock)
        del dock
        gc.collect()
        assert gone() is None

    def test_visible_objects_keep_their_ids(self, objects, dock, qtbot):
        layer = self.show(qtbot, dock)
        with qtbot.waitSignal(dock.written, timeout=60_000) as written:
            shown = layer.data.copy()
            dock.bar.button.click()
        qtbot.waitUntil(lambda: not dock.bar.is_running)
        np.testing.assert_array_equal(shown == 1, written.args[0].data == 1)
        assert shown.any()

    def test_follows_the_current_slice(self, dock, viewer, qtbot):
        viewer.layers.clear()
        viewer.add_image(np.stack([PIXELS] * 3), name="stack")
        viewer.add_labels(np.stack([RAW, TRUTH, RAW]), name="raw stack")
        dock.inputs.stack.value = "slice by slice"
        viewer.dims.set_current_step(0, 1)
        layer = self.show(qtbot, dock)
        assert layer.data[1].all()
        assert not layer.data[[0, 2]].any()
        viewer.dims.set_current_step(0, 2)
        qtbot.waitUntil(lambda: bool(layer.data[2].all()), timeout=60_000)
        viewer.dims.ndisplay = 3
        qtbot.waitUntil(lambda: "in 2D" in dock.preview.note.text(), timeout=60_000)


def test_the_image_is_the_one_the_prediction_was_made_from(dock, viewer, qtbot):
    own = viewer.add_image(PIXELS.copy(), name="own")
    other = viewer.add_image(PIXELS.copy(), name="other")
    record = LayerMetadata("prediction", str(own.unique_id)).as_metadata()
    layer = viewer.add_labels(RAW.copy(), name="result", metadata=record)
    assert (dock.inputs.layer.value, dock.inputs.image.value) == (layer, own)
    assert dock.inputs.note.text() == ""
    dock.inputs.image.value = other
    assert dock.inputs.note.text().startswith("result was made from own, not other")
    with pytest.warns(UserWarning, match="result was made from own, not other"):
        task = dock.session.refine(layer, other, MRF)
    with qtbot.waitSignal(task.finished, timeout=60_000):
        pass


def test_no_image_is_taken_for_a_prediction_of_one_that_is_gone(dock, viewer):
    record = LayerMetadata("prediction", "of a removed layer").as_metadata()
    dock.inputs.layer.value = viewer.add_labels(RAW.copy(), name="result", metadata=record)
    assert dock.inputs.image.value is None
