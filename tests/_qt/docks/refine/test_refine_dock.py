import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels
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
from napari_segkit._qt.layers.layer_registry import LayerProbabilities
from napari_segkit._qt.layers.probability_layers import show_probabilities
from napari_segkit._qt.session.refine_job import RefineRequest
from napari_segkit._qt.session.refine_source import RefineSource
from napari_segkit._qt.session.session import session
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.instances.candidates import MaskCandidates, SoftMasks
from napari_segkit.instances.results import Objects
from napari_segkit.refinement.soft_labels import soft_labels

CLASSES = LabelClass(1, "background", "#0000ff"), LabelClass(2, "cell", "#ff0000")
MRF = RefineConfig("mrf", mrf=MRFConfig(weight=3.0))
STRONG = CRFConfig(
    iterations=5, smoothness_weight=3.0, smoothness_sigma=3.0,
    appearance_weight=10.0, appearance_sigma=20.0, intensity_sigma=0.05,
)  # fmt: skip


def scene():
    """A bright square, a truth, and noisy probabilities of it."""
    rng = np.random.default_rng(0)
    truth = np.ones((40, 48), np.uint8)
    truth[10:30, 12:36] = 2
    pixels = rng.normal(50.0 * truth, 4).astype(np.float32)
    cell = np.clip(0.3 + 0.4 * (truth == 2) + rng.normal(0, 0.2, truth.shape), 0.01, 0.99)
    return pixels, truth, np.stack([1 - cell, cell]).astype(np.float32)


PIXELS, TRUTH, MAPS = scene()
RAW = MAPS.argmax(axis=0).astype(np.uint8) + 1


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    place = {"scale": (2, 2), "translate": (5, 5), "units": "um"}
    viewer.add_image(PIXELS.copy(), name="cells", **place)
    viewer.add_labels(RAW.copy(), name="raw", **place)
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    yield from docked(viewer, qtbot)


def docked(viewer, qtbot):
    dock = RefineDock(viewer)
    dock.form.set_value(MRF)
    viewer.window.add_dock_widget(dock)
    asking = dock.device._latest, dock.inputs.start._reader, dock.preview.preview._latest
    yield dock
    qtbot.waitUntil(lambda: not any(isalive(x) and x.is_busy for x in asking), timeout=60_000)


@pytest.fixture
def known(dock, viewer, qtbot):
    """The dock, where the probabilities behind the labels are known."""
    dock.session.keep_probabilities(viewer.layers["raw"], LayerProbabilities(MAPS, CLASSES, "YX"))
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


def test_says_what_it_starts_from(dock, viewer):
    choice = dock.inputs.start.choice
    assert choice.currentText() == "the labels"
    assert not dock.inputs.start.certainty.isHidden()
    dock.session.keep_probabilities(viewer.layers["raw"], LayerProbabilities(MAPS, CLASSES, "YX"))
    assert [choice.itemText(i) for i in range(choice.count())] == [
        "its probabilities",
        "the labels",
    ]
    assert choice.currentText() == "its probabilities"
    assert dock.inputs.start.certainty.isHidden()
    dock.session.keep_probabilities(viewer.layers["raw"], None)
    assert choice.currentText() == "the labels"


def test_the_result_is_a_new_layer_beside_the_raw_one(known, viewer, qtbot):
    layer = press(qtbot, known)
    assert layer is viewer.layers["raw refined"]
    expected = refine(MAPS, PIXELS, MRF, values=(1, 2), **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_array_equal(viewer.layers["raw"].data, RAW)
    np.testing.assert_array_equal(layer.translate, (5, 5))
    assert list(layer.features["name"]) == ["background", "cell"]
    told = layer.metadata["segkit"]["refined"]
    assert (told["start"], told["config"]["mrf"]["weight"]) == ("probabilities", 3.0)
    assert not viewer.layers["raw"].visible
    assert "'raw' is hidden" in known.bar.status.text()
    assert known.inputs.layer.current_layer() is viewer.layers["raw"]
    assert press(qtbot, known) is layer  # again: updated


def test_plain_labels_are_taken_for_likely(dock, viewer, qtbot):
    dock.inputs.start.certainty.set_value(0.7)
    layer = press(qtbot, dock)
    soft, values = soft_labels(RAW, certainty=0.7)
    expected = refine(soft, PIXELS, MRF, values=values, **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    colors = [viewer.layers["raw"].get_color(v) for v in (1, 2)]
    np.testing.assert_allclose([layer.get_color(v) for v in (1, 2)], colors, atol=0.01)


def test_what_is_unlabelled_gets_a_class_too(dock, viewer, qtbot):
    scribbles = np.zeros_like(RAW)
    scribbles[20, 20:30], scribbles[2, 5:40] = 2, 1
    dock.inputs.layer.set_layer(viewer.add_labels(scribbles, name="scribbles", scale=(2, 2)))
    dock.inputs.start.unlabelled.set_value(0)
    dock.form.set_value(RefineConfig("crf", crf=replace(STRONG, appearance_sigma=30.0)))
    layer = press(qtbot, dock)
    assert evaluate(layer.data, TRUTH).mean_iou > 0.9


def test_probabilities_as_an_image_can_be_refined(dock, viewer, qtbot):
    maps = viewer.add_image(MAPS, name="maps", scale=(1, 2, 2), translate=(0, 5, 5))
    dock.inputs.layer.set_layer(maps)
    dock.inputs.image.set_layer(viewer.layers["cells"])
    layer = press(qtbot, dock)
    expected = refine(MAPS, PIXELS, MRF, **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)
    np.testing.assert_array_equal(layer.scale, (2, 2))


def test_layers_of_probabilities_are_taken_together(known, viewer, qtbot):
    raw = viewer.layers["raw"]
    shown = show_probabilities(viewer, raw, known.session.probabilities_of(raw))
    assert [layer.name for layer in shown] == ["raw: background", "raw: cell"]
    assert show_probabilities(viewer, raw, known.session.probabilities_of(raw)) == shown
    viewer.layers.remove(raw)
    known.inputs.layer.set_layer(shown[1])
    known.inputs.image.set_layer(viewer.layers["cells"])
    layer = press(qtbot, known)
    expected = refine(MAPS, PIXELS, MRF, values=(1, 2), **spacing_of(viewer))
    np.testing.assert_array_equal(layer.data, expected)


def test_other_images_are_not_offered_as_probabilities(dock, viewer):
    viewer.add_image(np.zeros((4, 9, 9), np.uint8), name="stack")
    viewer.add_image(np.zeros((9, 9)), name="float")
    offered = [dock.inputs.layer.itemText(i) for i in range(dock.inputs.layer.count())]
    assert offered == ["raw"]


def test_the_copied_python_does_the_same(dock, viewer, qtbot):
    ready(qtbot, dock)
    dock.inputs.start.certainty.set_value(0.7)
    dock.form.clean.choice.setCurrentIndex(1)
    dock.form.clean.form.field("min_size").set_value(30.0)
    dock.bar.copy_button.click()
    code = QGuiApplication.clipboard().text()
    assert "clean=(CleanConfig(value=2, min_size=30.0),)" in code
    exec(code, {"viewer": viewer})
    with qtbot.waitSignal(session(viewer).task.finished, timeout=60_000):
        pass
    copied = viewer.layers["raw refined"].data.copy()
    np.testing.assert_array_equal(press(qtbot, dock).data, copied)


def test_slices_are_refined_together_or_one_by_one(viewer, dock, qtbot):
    viewer.layers.clear()
    viewer.add_image(np.stack([PIXELS] * 3), name="stack", scale=(4, 1, 1))
    viewer.add_labels(np.stack([RAW, TRUTH, RAW]), name="raw stack", scale=(4, 1, 1))
    assert not dock.inputs.stack.isHidden()
    together = press(qtbot, dock).data.copy()
    dock.inputs.stack.set_value("slice by slice")
    assert "axes='TYX'" in dock.code()
    apart = press(qtbot, dock).data
    soft, values = soft_labels(RAW)
    expected = refine(soft, PIXELS, MRF, values=values)
    np.testing.assert_array_equal(apart[0], expected)
    assert (together[0] != apart[0]).any()


def test_a_dock_opened_after_a_prediction_follows_its_slices(viewer, model, qtbot):
    viewer.layers.clear()
    image = viewer.add_image(np.stack([PIXELS] * 3), name="stack")
    labels = viewer.add_labels(np.stack([RAW] * 3), name="stack prediction")
    session(viewer).segmenter = model
    maps = np.stack([MAPS] * 3, axis=1)
    session(viewer).keep_probabilities(labels, LayerProbabilities(maps, CLASSES, "ZYX"))
    for dock in docked(viewer, qtbot):
        assert dock.inputs.image.current_layer() is image
        assert not dock.inputs.stack.isHidden()
        assert dock.inputs.stack.value() == "slice by slice"
        layer = press(qtbot, dock)
        np.testing.assert_array_equal(layer.data[1], refine(MAPS, PIXELS, MRF, values=(1, 2)))


def test_classes_of_another_layer_are_not_those_of_the_one_before(dock, viewer, qtbot):
    ready(qtbot, dock)
    start, raw = dock.inputs.start, viewer.layers["raw"]
    assert start.source_with_classes.layer is raw
    raw.data = TRUTH.copy()
    assert start.source_with_classes.layer is raw  # a preview stays while a person paints
    dock.inputs.layer.set_layer(viewer.add_labels(RAW.copy() + 4, name="other"))
    assert start.source_with_classes is None
    assert dock.inputs.request(MRF, with_classes=True) is None
    ready(qtbot, dock)
    assert [c.value for c in start.classes] == [5, 6]


def test_refined_again_both_recipes_are_told(known, viewer, qtbot):
    known.inputs.layer.set_layer(press(qtbot, known))
    known.form.set_value(RefineConfig("mrf", mrf=MRFConfig(weight=1.0)))
    told = press(qtbot, known).metadata["segkit"]["refined"]
    assert (told["start"], told["config"]["mrf"]["weight"]) == ("labels", 1.0)
    assert told["before"]["config"]["mrf"]["weight"] == 3.0


def test_says_what_is_missing_or_does_not_fit(dock, viewer):
    dock.form.method.set_value(None)
    assert dock.bar.hint.text().startswith("Nothing to do")
    dock.form.method.set_value("mrf")
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    dock.inputs.image.set_layer(other)
    assert "choose the image that it belongs to" in dock.bar.hint.text()
    viewer.layers.clear()
    assert dock.bar.hint.text().startswith("No Labels layer")
    assert not dock.bar.copy_button.isEnabled()


def test_numbers_of_objects_are_refused_in_words(dock, viewer, qtbot):
    numbers = np.arange(PIXELS.size, dtype=np.uint16).reshape(PIXELS.shape)
    dock.inputs.layer.set_layer(viewer.add_labels(numbers, name="numbers"))
    ready(qtbot, dock)
    assert "take all objects as one class" in dock.bar.hint.text()


def test_stop_adds_no_layer(known, viewer, qtbot):
    stack = viewer.add_image(np.stack([PIXELS] * 400), name="movie", axis_labels=("t", "y", "x"))
    labels = viewer.add_labels(np.stack([RAW] * 400), name="raw movie")
    known.inputs.layer.set_layer(labels)
    known.inputs.image.set_layer(stack)
    with qtbot.waitSignal(known.bar.yielded, timeout=60_000):
        known.bar.button.click()
    with qtbot.waitSignal(known.bar.finished, timeout=60_000):
        known.bar.button.click()
    assert "raw movie refined" not in viewer.layers


def test_the_change_against_a_truth_is_shown(known, viewer, qtbot):
    known.truth.layer.set_layer(viewer.add_labels(TRUTH, name="truth"))
    layer = press(qtbot, known)
    table = known.truth.changes
    shown = [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]
    before, after = evaluate(RAW, TRUTH), evaluate(layer.data, TRUTH)
    assert [row[0] for row in shown] == ["background", "cell", "mean"]
    assert shown[1][1] == f"{before.iou[2]:.3f} → {after.iou[2]:.3f}"
    assert shown[2][2] == f"{before.mean_dice:.3f} → {after.mean_dice:.3f}"
    known.truth.layer.set_layer(None)
    assert table.isHidden()


def test_the_best_numbers_are_put_into_the_form(known, viewer, qtbot):
    assert "Choose a truth" in known.truth.bar.hint.text()
    known.truth.layer.set_layer(viewer.add_labels(TRUTH, name="truth"))
    known.form.set_value(RefineConfig("mrf", mrf=MRFConfig(weight=0.1)))
    with qtbot.waitSignal(known.truth.bar.finished, timeout=60_000):
        known.truth.bar.button.click()
    trials = known.truth.trials.trials
    assert known.truth.trials.item(0, 0).text() == "no smoothing"
    assert known.truth.trials.item(1, 0).text() == "initial settings"
    assert known.form.value() == max(trials, key=lambda t: t.mean_iou).config
    assert "best settings are set above" in known.truth.bar.status.text()
    known.truth.trials.cellClicked.emit(1, 0)
    assert known.form.value().mrf.weight == 0.1


def test_says_where_no_smoothing_does_better_than_none(known, viewer, qtbot):
    known.truth.layer.set_layer(viewer.add_labels(RAW.copy(), name="truth"))
    with qtbot.waitSignal(known.truth.bar.finished, timeout=60_000):
        known.truth.bar.button.click()
    assert known.form.method.value() is None
    said = known.truth.bar.status.text()
    assert said.startswith("Mean IoU 1.0000 without smoothing, at most 0.")
    assert said.endswith("it is now switched off.")


@pytest.fixture
def model():
    labels = np.where(TRUTH == 2, 2, 1).astype(np.uint8)
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(PIXELS, labels, TrainConfig())


def test_the_recipe_is_kept_with_the_model(dock, model, qtbot):
    assert not dock.keep_settings.button.isEnabled()
    dock.session.segmenter = model
    with qtbot.waitSignal(dock.session.segmenter_changed, timeout=60_000):
        dock.keep_settings.button.click()
    qtbot.waitUntil(lambda: dock.session.task is None)
    assert dock.session.segmenter.refine == MRF
    assert dock.keep_settings.status.text().startswith("Stored")
    dock.form.method.set_value("crf")
    assert dock.keep_settings.status.text() == ""


def test_a_recipe_that_does_not_suit_the_model_is_refused_in_words(dock, model, qtbot):
    dock.session.segmenter = model
    dock.form.set_value(RefineConfig("mrf", clean=(CleanConfig(77, largest=True),)))
    dock.keep_settings.button.click()
    qtbot.waitUntil(lambda: "77" in dock.keep_settings.status.text(), timeout=60_000)
    qtbot.waitUntil(lambda: dock.session.task is None)


def square():
    """An object with a soft mask that is too small for what is bright, and one elsewhere."""
    soft = np.full((2, 28, 28), 0.3, np.float16)
    soft[:, 6:22, 6:22] = 0.8
    boxes = np.array([(10, 8, 38, 32), (0, 0, 6, 6)], np.float32)
    found = SoftMasks(boxes, soft, np.array([1, 1]), np.array([0.9, 0.8], np.float32))
    image = AxesImage(np.broadcast_to(np.uint8(0), PIXELS.shape), "YX")
    named = LabelClass(0, "background", "#000000"), CLASSES[1]
    return Objects(MaskCandidates([found], image), ObjectConfig(), named, image)


@pytest.fixture
def objects(viewer, dock):
    """What was found, and the dock, to refine it."""
    found = square()
    layer = viewer.add_labels(found.labels.copy(), name="squares", scale=(2, 2), units="um")
    dock.session.keep_objects(layer, found)
    dock.inputs.layer.set_layer(layer)
    dock.form.set_value(RefineConfig("crf", crf=replace(STRONG, appearance_sigma=8.0)))
    return found


def test_objects_are_smoothed_one_by_one(objects, dock, viewer, qtbot):
    assert dock.inputs.start.choice.currentText() == "its objects, one by one"
    assert not dock.form.clean.section.isEnabled()
    dock.truth.layer.set_layer(viewer.add_labels((TRUTH == 2).astype(np.uint8), name="truth"))
    assert dock.truth.bar.hint.text().startswith("There is nothing to fit for objects")
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
    dock.form.method.set_value(None)
    assert dock.bar.hint.text().startswith("Nothing to do")


def test_objects_in_view_are_counted():
    found = square()
    order = RefineRequest(
        RefineSource(Labels(found.labels), "objects", objects=found), None, RefineConfig(), "YX"
    )
    corner = ViewRegion({}, (slice(0, 10), slice(0, 12)))  # the large one's box, not its mask
    shown = refine_view(order, order.axes_image(), corner, None)
    assert shown.text == "Preview of 1 object."
    assert set(np.unique(shown.labels)) == {0, 2}


class TestPreview:
    @pytest.fixture
    def viewer(self, make_napari_viewer):
        viewer = make_napari_viewer(show=True)
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
        dock.preview.checkbox.set_value(True)
        return self.wait(qtbot, dock)

    def wait(self, qtbot, dock):
        preview = dock.preview.preview
        qtbot.waitUntil(lambda: not preview.is_busy and preview.layer is not None, timeout=60_000)
        return preview.layer

    def test_shows_what_refining_would_and_follows_the_numbers(self, known, viewer, qtbot):
        layer = self.show(qtbot, known)
        assert layer.name == "raw refined (preview)"
        expected = refine(MAPS, PIXELS, MRF, values=(1, 2))
        np.testing.assert_array_equal(layer.data, expected)
        assert not viewer.layers["raw"].visible
        known.form.method_forms["mrf"].form.field("weight").set_value(0.5)
        assert self.wait(qtbot, known) is layer
        weak = refine(MAPS, PIXELS, RefineConfig("mrf", mrf=MRFConfig(weight=0.5)), values=(1, 2))
        np.testing.assert_array_equal(layer.data, weak)
        assert known.inputs.layer.current_layer() is viewer.layers["raw"]
        known.preview.checkbox.set_value(False)
        assert layer not in viewer.layers
        assert viewer.layers["raw"].visible

    @pytest.mark.parametrize("anew", [False, True], ids=["in place", "another array"])
    def test_follows_the_pixels_of_the_image(self, known, viewer, qtbot, anew):
        recipe = RefineConfig("mrf", mrf=MRFConfig(weight=3.0, intensity_sigma=0.05))
        known.form.set_value(recipe)
        layer, image = self.show(qtbot, known), viewer.layers["cells"]
        before = layer.data.copy()
        pixels = image.data.copy() if anew else image.data
        pixels[:, 40:] *= 20
        image.data = pixels
        self.wait(qtbot, known)
        np.testing.assert_array_equal(layer.data, refine(MAPS, pixels, recipe, values=(1, 2)))
        assert (layer.data != before).any()

    def test_only_what_is_in_view_is_refined(self, known, viewer, qtbot):
        viewer.scene.camera.center = 20, 10
        viewer.scene.camera.zoom = 60
        layer = self.show(qtbot, known, fit=False)
        (_, left), (_, right) = viewer.layers["raw"].corner_pixels
        assert layer.data.any()
        assert not layer.data[:, right + 2 :].any()
        assert right < 38
        viewer.scene.camera.center = 20, 40
        qtbot.waitUntil(lambda: bool(layer.data[20, 40]), timeout=60_000)
        assert not layer.data[:, : left + 1].any()

    @pytest.mark.parametrize("end", ["hidden", "removed"])
    def test_it_goes_with_the_dock_or_its_layer(self, known, viewer, qtbot, end):
        layer = self.show(qtbot, known)
        if end == "hidden":
            known.preview.hideEvent(QHideEvent())
        else:
            viewer.layers.remove(layer)
            assert not known.preview.checkbox.value()
        assert [x.name for x in viewer.layers] == ["cells", "raw"]
        assert viewer.layers["raw"].visible

    def test_a_closed_dock_leaves_nothing_behind(self, viewer, qtbot):
        dock = RefineDock(viewer)
        viewer.window.add_dock_widget(dock)
        asking = dock.device._latest
        qtbot.waitUntil(lambda: not asking.is_busy, timeout=60_000)
        dock.form.set_value(MRF)
        self.show(qtbot, dock)
        viewer.window.remove_dock_widget(dock)
        assert [x.name for x in viewer.layers] == ["cells", "raw"]
        gone = weakref.ref(dock)
        del dock
        gc.collect()
        assert gone() is None

    def test_objects_in_view_are_shown_in_their_colours(self, objects, dock, qtbot):
        layer = self.show(qtbot, dock)
        with qtbot.waitSignal(dock.written, timeout=60_000) as written:
            shown = layer.data.copy()
            dock.bar.button.click()
        qtbot.waitUntil(lambda: not dock.bar.is_running)
        np.testing.assert_array_equal(shown == 1, written.args[0].data == 1)
        assert shown.any()

    def test_slices_are_followed(self, dock, viewer, qtbot):
        viewer.layers.clear()
        viewer.add_image(np.stack([PIXELS] * 3), name="stack")
        viewer.add_labels(np.stack([RAW, TRUTH, RAW]), name="raw stack")
        dock.inputs.stack.set_value("slice by slice")
        viewer.dims.set_current_step(0, 1)
        layer = self.show(qtbot, dock)
        assert layer.data[1].all()
        assert not layer.data[[0, 2]].any()
        viewer.dims.set_current_step(0, 2)
        qtbot.waitUntil(lambda: bool(layer.data[2].all()), timeout=60_000)
        viewer.dims.ndisplay = 3
        qtbot.waitUntil(lambda: "in 2D" in dock.preview.note.text(), timeout=60_000)
