from threading import Event

import numpy as np
import pytest

from napari_segkit import ModelSpec
from napari_segkit._qt.docks.train.train_dock import TrainDock
from napari_segkit._qt.widgets.layer_choice import LayerChoice
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.steps import Step

PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
STROKES = np.zeros((64, 64), np.uint8)
STROKES[:16], STROKES[48:] = 1, 2


@pytest.fixture
def viewer(make_light_viewer):
    return make_light_viewer()


@pytest.fixture
def dock(viewer, qtbot):
    viewer.add_image(PIXELS, name="a")
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    yield dock
    assert dock.wait_idle()


def select(viewer, layer):
    viewer.layers.selection.active = layer


def counted(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.label_stats.is_counting)


def test_another_image_leaves_no_labels_of_the_first_chosen(dock, viewer, qtbot):
    labels = viewer.add_labels(STROKES.copy(), name="strokes")
    counted(qtbot, dock)
    assert dock.data.labels.value is labels
    assert dock.classes.table.rowCount() == 2
    other = viewer.add_image(PIXELS, name="b")
    assert dock.data.image.value is other
    assert dock.data.labels.value is None
    assert dock.classes.table.rowCount() == 0
    assert dock.label_stats.text.text() == ""
    assert dock.bar.hint.text().startswith("No Labels layer chosen for b: press New labels")
    select(viewer, viewer.layers["a"])
    assert dock.data.labels.value is labels
    counted(qtbot, dock)


def test_each_image_gets_back_its_own_labels(dock, viewer, qtbot):
    dock.data.new_button.click()
    viewer.add_image(PIXELS, name="b")
    dock.data.new_button.click()
    assert dock.data.labels.value.name == "b labels"
    select(viewer, viewer.layers["a"])
    assert dock.data.labels.value.name == "a labels"
    dock.data.labels.value = viewer.layers["b labels"]  # by hand
    select(viewer, viewer.layers["b"])
    select(viewer, viewer.layers["a"])
    assert dock.data.labels.value.name == "b labels"
    counted(qtbot, dock)


def test_selected_labels_come_with_their_image(dock, viewer, qtbot):
    dock.data.new_button.click()
    first = dock.data.labels.value
    viewer.add_image(PIXELS, name="b")
    select(viewer, first)
    assert (dock.data.image.value.name, dock.data.labels.value) == ("a", first)
    second = viewer.add_labels(STROKES.copy(), name="a_mask")
    assert dock.data.labels.value is first  # until a person selects the added layer
    select(viewer, first)
    select(viewer, second)
    assert (dock.data.image.value.name, dock.data.labels.value) == ("a", second)
    select(viewer, first)
    assert dock.data.labels.value is first
    counted(qtbot, dock)


def test_a_pinned_image_stays_until_it_is_unpinned(dock, viewer, qtbot):
    dock.data.follower.pin.click()
    other = viewer.add_image(PIXELS, name="b")
    labels = viewer.add_labels(STROKES.copy(), name="b labels")
    assert dock.data.image.value.name == "a"
    assert dock.data.labels.value is None
    dock.data.follower.pin.click()
    assert (dock.data.image.value, dock.data.labels.value) == (other, labels)
    counted(qtbot, dock)


def test_the_choice_stays_while_a_task_runs(dock, viewer, qtbot):
    go = Event()

    def steps():
        yield Step(1, 2)
        go.wait(10)

    task = dock.session.run(steps())
    viewer.add_image(PIXELS, name="b")
    assert dock.data.image.value.name == "a"
    with qtbot.waitSignal(task.finished):
        go.set()
    assert dock.data.image.value.name == "b"


def test_an_image_chosen_by_hand_stays_when_a_task_ends(dock, viewer, qtbot):
    other = viewer.add_image(PIXELS, name="b")
    select(viewer, viewer.layers["a"])
    dock.data.image.value = other
    task = dock.session.run(iter_steps())
    with qtbot.waitSignal(task.finished):
        pass
    assert dock.data.image.value is other


def iter_steps():
    yield Step(1, 1)


def test_a_result_that_appears_changes_no_choice_until_it_is_selected(dock, viewer, qtbot):
    first, other = viewer.layers["a"], viewer.add_image(PIXELS, name="b")
    select(viewer, first)
    metadata = LayerMetadata("prediction", str(other.unique_id)).as_metadata()
    result = viewer.add_labels(STROKES, name="b prediction", metadata=metadata)
    assert dock.data.image.value is first
    dock.data.new_button.click()
    select(viewer, result)
    assert dock.data.image.value is other
    counted(qtbot, dock)


def test_labels_of_another_shape_are_never_chosen_by_themselves(dock, viewer):
    small = viewer.add_labels(np.ones((32, 32), np.uint8), name="a labels")
    assert dock.data.labels.value is None
    select(viewer, viewer.layers["a"])
    select(viewer, small)
    assert dock.data.labels.value is None


def test_labels_chosen_by_hand_that_do_not_fit_show_no_pixels(dock, viewer, qtbot):
    small = np.ones((32, 32), np.uint8)
    features = {"index": [1], "name": ["cell"]}
    dock.data.labels.value = viewer.add_labels(small, features=features)
    counted(qtbot, dock)
    assert "shape (32, 32)" in dock.bar.hint.text()
    assert dock.classes.table.item(0, 1).text() == "cell"
    assert dock.classes.table.item(0, 2).text() == ""


def test_results_and_object_classes_are_not_taken_for_labels(dock, viewer, qtbot):
    labels = viewer.add_labels(STROKES.copy(), name="strokes")
    dock.session.segmenter.spec = ModelSpec("maskrcnn")
    dock.session.segmenter_changed.emit()
    classes = viewer.add_labels(STROKES.copy(), name="classes")
    dock.annotation.classes.value = classes
    select(viewer, labels)
    for layer in (classes, viewer.add_labels(STROKES, name="a prediction")):
        select(viewer, layer)
        assert dock.data.labels.value is labels
    counted(qtbot, dock)


def test_a_layer_list_that_changes_does_not_follow(viewer, qtbot, dock):
    viewer.add_labels(STROKES.copy(), name="strokes")
    before = viewer.layers["strokes"]
    viewer.add_shapes(name="regions")
    viewer.layers.move(0, 2)
    before.name = "renamed"
    assert isinstance(dock.data.labels, LayerChoice)
    assert dock.data.labels.value is before
    counted(qtbot, dock)
