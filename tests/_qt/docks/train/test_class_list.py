from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLineEdit

from napari_segkit._qt.docks.train.class_list import ClassList
from napari_segkit.images.classes import classes_of


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
    classes.question.answer("Remove and erase")
    qtbot.waitUntil(lambda: [c.value for c in classes.classes] == [1])
    assert not (painted.data == 2).any()
    painted.undo()
    assert (painted.data == 2).sum() == 16


def test_pinned_colours_are_the_classes_own(classes, painted):
    colors = [c.color for c in classes.classes]
    classes.pin_colors()
    assert [c.color for c in classes_of(painted, [1, 2])] == colors


def test_another_layer_brings_its_own_classes(classes, viewer):
    features = pd.DataFrame({"index": [5], "name": ["bone"]})
    classes.set_layer(viewer.add_labels(np.zeros((4, 4), int), features=features))
    assert shown(classes) == [["5", "bone", ""]]  # not counted yet
    classes.set_layer(None)
    assert shown(classes) == []
    assert not classes.add_button.isEnabled()


@pytest.fixture
def objects(viewer):
    data = np.repeat(np.arange(64, dtype=np.int32), 4).reshape(16, 16)
    table = {"index": range(1, 65), "area": np.arange(64.0), "celltype": ["b"] * 64}
    return viewer.add_labels(data, features=pd.DataFrame(table))


def test_objects_taken_as_one_class_keep_their_colours_and_features(classes, objects):
    features, color = objects.features.copy(), objects.get_color(9)
    classes.set_layer(objects)
    classes.set_counts({0: 4, 1: 252}, None)
    classes.pin_colors()
    np.testing.assert_array_equal(objects.get_color(9), color)
    pd.testing.assert_frame_equal(objects.features, features)


def test_a_rename_keeps_every_other_row(classes, objects):
    color = objects.get_color(9)
    classes.set_layer(objects)
    classes.set_counts({0: 4, 1: 252}, None)
    classes.rename(1, "cell")
    assert len(objects.features) == 65  # 0 had no row
    assert objects.features["area"][:64].tolist() == list(range(64))
    assert objects.features["name"][0] == "cell"
    np.testing.assert_array_equal(objects.get_color(9), color)


def test_a_rename_keeps_the_row_of_the_unlabelled_value(classes, painted):
    painted.features = pd.DataFrame({"name": ["sky", "cell", "wall"]})
    classes.rename(2, "membrane")
    assert painted.features.to_dict("list") == {
        "index": [0, 1, 2],
        "name": ["sky", "cell", "membrane"],
    }


def test_before_the_count_an_added_class_is_none_that_is_painted(classes):
    classes.set_counts({}, 0)
    assert classes.add() == 3


def test_colours_are_pinned_where_unlabelled_pixels_have_another_value(classes, painted):
    painted.data[4] = 255
    classes.set_counts({0: 24, 1: 16, 2: 16}, 255)
    color = painted.get_color(1)
    classes.pin_colors()
    assert 1 in painted.colormap.color_dict
    np.testing.assert_allclose(painted.get_color(1), color, atol=1 / 255)


@pytest.mark.parametrize("value", [100_000, 2**31 + 5])
def test_large_values_are_listed_chosen_and_named(classes, viewer, value):
    layer = viewer.add_labels(np.full((8, 8), value, np.int64))
    classes.set_layer(layer)
    classes.set_counts({value: 64}, 0)
    classes.pin_colors()
    classes.table.cellClicked.emit(0, 0)
    classes.table.item(0, 1).setText("big")
    assert layer.selected_label == value
    assert layer.features.to_dict("list") == {"index": [value], "name": ["big"]}


def ask_to_remove(classes, qtbot, value=2):
    classes.remove(value)
    qtbot.waitUntil(lambda: not classes.question.isHidden())


def test_strokes_painted_after_the_question_stay(classes, painted, qtbot):
    ask_to_remove(classes, qtbot)
    painted.data_setitem((np.array([7]), np.array([7])), 1)
    classes.question.answer("Remove and erase")
    assert painted.data[7, 7] == 1
    assert not (painted.data == 2).any()
    painted.undo()
    assert (painted.data == 2).sum() == 15


def test_without_an_unlabelled_value_the_question_says_what_pixels_become(classes, qtbot):
    classes.set_counts({0: 32, 1: 16, 2: 16}, None)
    ask_to_remove(classes, qtbot)
    assert "become 0" in classes.question.text
    classes.table.select_value(0)
    classes.layer.selected_label = 0
    assert not classes.remove_button.isEnabled()
    assert "class 0" in classes.remove_button.toolTip()


@pytest.mark.parametrize("kind", ["dask", "multiscale"])
def test_what_cannot_be_edited_cannot_be_removed(classes, viewer, kind):
    ones = np.ones((64, 64), np.uint8)
    data = da.from_array(ones) if kind == "dask" else [ones, ones[::2, ::2]]
    classes.set_layer(viewer.add_labels(data))
    classes.set_counts({1: 4096}, 0)
    classes.layer.selected_label = 1
    assert classes.table.current_value() == 1
    assert not classes.remove_button.isEnabled()
    assert "cannot be edited" in classes.remove_button.toolTip()


def test_of_many_values_only_those_shown_are_asked_for_a_colour(classes, viewer, monkeypatch):
    layer = viewer.add_labels(np.zeros((8, 8), np.int32))
    asked = []
    monkeypatch.setattr(type(layer), "get_color", lambda _, value: asked.append(value))
    classes.set_layer(layer)
    classes.set_counts(dict.fromkeys(range(1, 16_385), 1), 0)
    assert classes.table.rowCount() == 100
    assert len(asked) < 500


def test_a_name_is_typed_to_its_end_while_pixels_are_counted(classes, painted, qtbot):
    classes.show()
    classes.table.editItem(classes.table.item(1, 1))
    editor = classes.table.findChild(QLineEdit)
    editor.setText("nuc")
    classes.set_counts({1: 20, 2: 12}, 0)
    assert classes.table.findChild(QLineEdit) is editor
    editor.setText("nucleus")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: shown(classes) == [["1", "class 1", "20"], ["2", "nucleus", "12"]])
    assert list(painted.features["name"]) == ["class 1", "nucleus"]


def test_a_name_that_is_being_typed_goes_to_no_other_layer(classes, viewer, qtbot):
    classes.show()
    classes.table.editItem(classes.table.item(1, 1))
    other = viewer.add_labels(np.full((4, 4), 2, np.uint8))
    classes.set_layer(other)
    classes.set_counts({2: 16}, 0)
    assert shown(classes) == [["2", "class 2", "16"]]
    assert other.features.empty
