from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_segkit._qt.class_list import ClassList
from napari_segkit._qt.layer_classes import read_classes


@pytest.fixture
def viewer(qapp):
    return ViewerModel()


@pytest.fixture
def painted(viewer):
    data = np.zeros((8, 8), np.uint8)
    data[:2], data[6:] = 1, 2
    return viewer.add_labels(data, name="cells")


@pytest.fixture
def classes(viewer, painted, qtbot):
    widget = ClassList(SimpleNamespace(viewer=viewer))
    qtbot.addWidget(widget)
    widget.set_layer(painted)
    widget.set_counts({1: 16, 2: 16}, 0)
    return widget


def shown(widget):
    table = widget.table
    return [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]


def test_painted_values_are_listed_with_their_pixels(classes):
    assert shown(classes) == [["1", "class 1", "16"], ["2", "class 2", "16"]]


def test_a_click_takes_the_brush(classes, painted, viewer):
    viewer.add_image(np.zeros((8, 8)))
    classes.table.cellClicked.emit(1, 0)
    assert (painted.selected_label, painted.mode) == (2, "paint")
    assert viewer.layers.selection.active is painted


def test_the_brush_chosen_elsewhere_is_shown(classes, painted):
    painted.selected_label = 2
    assert classes.table.current_value() == 2


def test_a_name_is_kept_in_the_layer(classes, painted):
    classes.table.item(1, 1).setText("nucleus")
    assert list(painted.features["index"]) == [1, 2]
    assert list(painted.features["name"]) == ["class 1", "nucleus"]


def test_naming_changes_no_colour_on_screen(classes, painted):
    before = painted.get_color(1)
    classes.rename(2, "nucleus")
    np.testing.assert_allclose(painted.get_color(1), before, atol=1 / 255)


def test_other_columns_of_the_features_stay(classes, painted):
    painted.features = pd.DataFrame({"index": [1, 2], "area": [16.0, 17.0]})
    classes.rename(2, "nucleus")
    assert list(painted.features["area"]) == [16.0, 17.0]


def test_an_added_class_gets_the_lowest_free_value_and_the_brush(classes, painted):
    assert classes.add("background") == 3
    assert painted.selected_label == 3
    assert shown(classes)[-1] == ["3", "background", "0"]


def test_the_unlabelled_value_is_no_class(classes):
    classes.set_counts({1: 16, 2: 16}, 3)
    assert classes.add() == 4
    assert [c.value for c in classes.classes] == [1, 2, 4]


def test_an_empty_class_is_removed_without_a_question(classes, qtbot):
    classes.remove(classes.add())
    qtbot.waitUntil(lambda: [c.value for c in classes.classes] == [1, 2])


def test_a_painted_class_is_removed_only_when_confirmed(classes, painted, qtbot):
    classes.choose(2)
    classes.remove_button.click()
    qtbot.waitUntil(lambda: not classes.question.isHidden())
    assert classes.question.text == "class 2 has 16 painted pixels. Remove it?"
    classes.question.answer("Keep the class")
    assert [c.value for c in classes.classes] == [1, 2]
    assert (painted.data == 2).sum() == 16


def test_confirmed_its_pixels_go_and_come_back_with_undo(classes, painted, qtbot):
    classes.rename(2, "nucleus")
    classes.set_counts({}, 0)  # not counted yet
    classes.remove(2)
    qtbot.waitUntil(lambda: not classes.question.isHidden())
    classes.question.answer("Erase them too")
    qtbot.waitUntil(lambda: [c.value for c in classes.classes] == [1])
    assert not (painted.data == 2).any()
    painted.undo()
    assert (painted.data == 2).sum() == 16


def test_pinned_colours_are_the_classes_own(classes, painted):
    colors = [c.color for c in classes.classes]
    classes.pin_colors()
    assert [c.color for c in read_classes(painted)] == colors


def test_another_layer_brings_its_own_classes(classes, viewer):
    features = pd.DataFrame({"index": [5], "name": ["bone"]})
    classes.set_layer(viewer.add_labels(np.zeros((4, 4), int), features=features))
    assert shown(classes) == [["5", "bone", "0"]]
    classes.set_layer(None)
    assert shown(classes) == []
    assert not classes.add_button.isEnabled()
