"""The training set in the Train dock."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_segkit import TileConfig, TrainConfig, TrainingRow, TrainingSet, session
from napari_segkit._qt.docks.train.training_set_table import COLUMNS, GROUP, ROLE

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(tile_size=64), validation=None
)
PIXELS = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
COUNTS, LABELS = COLUMNS.index("labelled pixels"), COLUMNS.index("labels")


def scribbles(first=1, second=2):
    data = np.zeros((64, 64), np.uint8)
    data[:16], data[48:] = first, second
    return data


def arrays(count=3, **fields):
    return [TrainingRow(PIXELS[i], scribbles(), name=f"cells {i}", **fields) for i in range(count)]


@pytest.fixture
def viewer(dock):
    return dock.viewer


def add_pair(dock, name="cells", number=0):
    image = dock.viewer.add_image(PIXELS[number], name=name)
    labels = dock.viewer.add_labels(scribbles(), name=f"{name} labels")
    assert dock.wait_idle()
    dock.training_set.add_button.click()
    assert dock.wait_idle()
    return image, labels


def cells(panel, column):
    model = panel.model
    return [model.index(row, column).data() for row in range(model.rowCount())]


def edit(panel, row, column, value):
    panel.model.setData(panel.model.index(row, column), value)


def go(dock, number):
    dock.training_set.next_image.open(number)
    assert dock.wait_idle()


def paint(labels, value=1):
    labels.data_setitem(np.nonzero(np.ones((4, 4))), value)


def test_without_rows_the_chosen_pair_is_trained_on(dock, panel):
    dock.viewer.add_image(PIXELS[0], name="cells")
    dock.viewer.add_labels(scribbles(), name="strokes")
    assert dock.wait_idle()
    assert dock.bar.button.text() == "Train"
    assert "viewer.layers['cells'], viewer.layers['strokes']" in dock.code()
    assert panel.add_button.isEnabled()


def test_layers_become_rows_with_their_pixels_counted(dock, panel):
    add_pair(dock)
    add_pair(dock, "more", 1)
    assert cells(panel, 0) == ["cells", "more"]
    assert cells(panel, COUNTS) == ["1: 1,024 · 2: 1,024"] * 2
    assert cells(panel, COLUMNS.index("size")) == ["64 x 64"] * 2
    assert panel.summary.text() == "2 to train. Labelled pixels: 2,048 of 1, 2,048 of 2."
    assert dock.bar.button.text() == "Train on 2 images"


def test_a_pair_is_added_once(dock, panel):
    add_pair(dock)
    panel.add_button.click()
    assert len(panel.rows) == 1
    assert panel.files.status.text() == "1 image in the set already."


def test_the_set_is_that_of_the_session(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    assert dock.wait_idle()
    assert cells(panel, 0) == ["cells 0", "cells 1", "cells 2"]
    edit(panel, 1, ROLE, "validate")
    assert [row.role for row in session(dock.viewer).training_set.rows] == [
        "train",
        "validate",
        "train",
    ]
    assert dock.bar.button.text() == "Train on 2 images"
    with pytest.raises(TypeError, match="training_set is"):
        dock.session.training_set = arrays()


def test_a_role_or_group_is_set_in_all_selected_rows(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    panel.table.selectAll()
    edit(panel, 2, GROUP, "slide 1")
    assert cells(panel, GROUP) == ["slide 1"] * 3
    panel.table.selectRow(1)
    edit(panel, 0, ROLE, "leave out")
    assert cells(panel, ROLE) == ["leave out", "train", "train"]


def test_a_role_is_chosen_in_a_combo_box(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    index = panel.model.index(0, ROLE)
    delegate = panel.table.itemDelegateForColumn(ROLE)
    box = delegate.createEditor(panel.table, None, index)
    assert [box.itemText(i) for i in range(box.count())] == ["train", "validate", "leave out"]
    box.setCurrentText("validate")
    delegate.setModelData(box, panel.model, index)
    assert panel.rows[0].role == "validate"


def test_selected_rows_are_removed(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    panel.table.selectRow(1)
    panel.remove_button.click()
    assert cells(panel, 0) == ["cells 0", "cells 2"]


def test_painting_is_counted_again(dock, panel):
    _, labels = add_pair(dock)
    dock.viewer.layers.selection.active = labels
    paint(labels, 2)
    assert dock.wait_idle()
    assert cells(panel, COUNTS) == ["1: 1,008 · 2: 1,040"]


def test_a_set_is_trained_on(dock, panel, qtbot):
    dock.set_config(QUICK)
    add_pair(dock)
    dock.session.training_set += TrainingSet(arrays(1))
    assert dock.wait_idle()
    assert "train_epochs(session(viewer).training_set, config=TrainConfig(" in dock.code()
    with qtbot.waitSignal(dock.bar.returned, timeout=120_000):
        dock.bar.button.click()
    assert dock.session.segmenter.trained.provenance["images"] == ["cells", "cells 0"]


def test_what_is_wrong_with_a_row_is_said_before_the_training(dock, panel):
    image, _ = add_pair(dock)
    dock.session.training_set += TrainingSet([TrainingRow(PIXELS[1], scribbles()[:32], name="b")])
    assert dock.wait_idle()
    assert dock.bar.reason.startswith("Row 2 of the training set, b: ")
    dock.viewer.layers.remove(image)
    assert dock.bar.reason == (
        "Row 1 of the training set, cells: the layer cells is no longer open: double-click the row "
        "to show it again, or remove the row."
    )
    go(dock, 0)
    assert image in dock.viewer.layers
    edit(panel, 1, ROLE, "leave out")
    assert dock.bar.reason is None
    edit(panel, 0, ROLE, "leave out")
    assert "No image of the training set has the role train" in dock.bar.reason


def test_one_class_in_all_rows_is_said_with_its_remedies(dock, panel):
    rows = [TrainingRow(PIXELS[i], scribbles(1, 1), name=str(i)) for i in range(2)]
    dock.session.training_set = TrainingSet(rows)
    assert dock.wait_idle()
    assert "The labels hold one class only (1)" in dock.bar.reason
    dock.label_stats.remedies.answer("Use all unpainted pixels as background")
    assert dock.wait_idle()
    assert dock.bar.reason is None
    assert panel.summary.text() == "2 to train. Labelled pixels: 4,096 of 0, 4,096 of 1."
    add_pair(dock)  # other layers keep the choice for the set
    assert dock.config().unlabelled is None


def test_selected_images_become_channels(dock, panel):
    images = [dock.viewer.add_image(PIXELS[i], name=f"channel {i}") for i in range(2)]
    dock.viewer.add_labels(scribbles(), name="labels")
    dock.viewer.layers.selection = set(images)
    assert dock.wait_idle()
    panel.add_button.click()
    assert panel.rows[0].image == images
    assert cells(panel, 0) == ["channel 0 + channel 1"]


def test_painting_is_kept_when_the_next_image_is_opened(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    assert dock.wait_idle()
    next_image = panel.next_image
    for name in ("cells 0", "cells 1"):
        next_image.next.click()
        assert dock.wait_idle()
        assert [layer.name for layer in dock.viewer.layers] == [name, f"{name} labels"]
    labels = dock.viewer.layers.selection.active
    assert panel.rows[1].labels is labels
    labels.brush_size = 33
    paint(labels, 2)
    assert dock.wait_idle()
    assert cells(panel, COUNTS)[1] == "1: 1,008 · 2: 1,040"
    next_image.previous.click()
    assert dock.wait_idle()
    assert dock.viewer.layers.selection.active.brush_size == 33
    assert (panel.rows[1].labels[:4, :4] == 2).all()
    assert panel.rows[2].labels is not None
    assert not next_image.previous.isEnabled()


def test_an_image_without_labels_is_trained_on_once_it_is_painted_on(dock, panel):
    rows = [replace(row, labels=None, role="leave out") for row in arrays(2)]
    dock.session.training_set = TrainingSet(rows)
    assert dock.wait_idle()
    assert cells(panel, LABELS) == ["none yet"] * 2
    go(dock, 0)
    go(dock, 1)
    assert panel.rows[0].labels is None
    paint(dock.viewer.layers.selection.active)
    assert [row.role for row in panel.rows] == ["leave out", "train"]
    go(dock, 0)
    assert panel.rows[1].labels.sum() == 16


def test_layers_renamed_by_a_person_stay(dock, panel):
    dock.session.training_set = TrainingSet(arrays())
    go(dock, 0)
    dock.viewer.layers[0].name = "mine"
    go(dock, 1)
    assert [layer.name for layer in dock.viewer.layers] == ["mine", "cells 1", "cells 1 labels"]


def test_many_rows_are_counted_without_holding_up_the_window(dock, panel, qtbot):
    dock.session.training_set = TrainingSet([row for _ in range(100) for row in arrays()])
    assert panel.model.rowCount() == 300
    assert panel.table.model().index(299, 0).data() == "cells 2"
    assert panel.counts.is_counting
    assert dock.wait_idle()
    assert set(cells(panel, COUNTS)) == {"1: 1,024 · 2: 1,024"}
    assert panel.model.index(0, 0).flags() & Qt.ItemFlag.ItemIsSelectable
