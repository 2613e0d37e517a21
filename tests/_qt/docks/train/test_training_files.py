"""Files in the training set of the Train dock: added, opened, painted on and saved."""

import threading

import numpy as np
import pytest
from PIL import Image as Pictures
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_segkit import TrainingSet
from napari_segkit._qt.docks.train.open_labels import SAVING
from napari_segkit._qt.docks.train.training_set_table import COLUMNS

LABELS = COLUMNS.index("labels")
PIXELS = np.random.default_rng(0).integers(0, 255, (3, 32, 48), np.uint8)


def mask():
    data = np.ones((32, 48), np.uint8)
    data[8:16] = 2
    return data


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Pictures.fromarray(pixels).save(path)
    return path


@pytest.fixture
def data(tmp_path):
    for number, pixels in enumerate(PIXELS):
        save(tmp_path / "images" / f"c{number}.png", pixels)
        save(tmp_path / "masks" / f"c{number}.png", mask())
    return tmp_path


def drop(dock, *paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    for kind in (QDragEnterEvent, QDropEvent):
        point = QPoint(5, 5) if kind is QDragEnterEvent else QPointF(5, 5)
        keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(dock, kind(point, Qt.DropAction.CopyAction, data, *keys))
    assert dock.wait_idle()


def names(panel):
    model = panel.model
    return [tuple(model.index(i, j).data() for j in (0, LABELS)) for i in range(model.rowCount())]


def step(dock, button):
    button.click()
    assert dock.wait_idle()


def answer(dock, text):
    dock.training_set.next_image.question.answer(text)
    assert dock.wait_idle()


def painted(dock):
    """The open labels, with one corner painted."""
    labels = dock.viewer.layers.selection.active
    labels.data_setitem(np.nonzero(np.ones((4, 4))), 2)
    assert dock.wait_idle()
    return labels


def corner(path):
    return np.asarray(Pictures.open(path))[:4, :4]


def test_folders_are_dropped_anywhere_on_the_dock(dock, panel, data):
    drop(dock, data / "masks", data / "images")
    assert names(panel) == [(f"c{i}.png", f"c{i}.png") for i in range(3)]
    assert panel.isExpanded()
    assert panel.summary.text() == "3 to train. Labelled pixels: 3,456 of 1, 1,152 of 2."
    drop(dock, data)
    assert len(panel.rows) == 3
    assert panel.files.status.text() == "3 images in the set already."


def test_single_files_are_paired_by_their_names(dock, panel, tmp_path):
    files = [save(tmp_path / f"c{i}_{kind}.png", mask()) for i in (1, 2) for kind in ("img", "gt")]
    drop(dock, *files)
    assert names(panel) == [("c1_img.png", "c1_gt.png"), ("c2_img.png", "c2_gt.png")]


def test_lists_give_roles(dock, panel, data):
    lines = ["images,masks,role"]
    lines += [f"images/c{i}.png,masks/c{i}.png,{'val' if i else 'train'}" for i in range(3)]
    (data / "list.csv").write_text("\n".join(lines))
    drop(dock, data / "list.csv")
    assert [row.role for row in panel.rows] == ["train", "validate", "validate"]


def test_images_without_labels_may_be_painted_on(dock, panel, data):
    drop(dock, data / "images")
    assert "No labels were given" in panel.files.question.text
    panel.files.question.answer("Paint the labels here")
    assert dock.wait_idle()
    step(dock, panel.next_image.next)
    painted(dock)
    assert panel.rows[0].role == "train"
    step(dock, panel.next_image.next)
    assert names(panel)[0] == ("c0.png", "c0_labels.tif")
    assert (data / "images" / "c0_labels.tif").exists()
    assert panel.next_image.status.text() == "Saved c0_labels.tif."


def test_what_cannot_be_read_is_said(dock, panel, tmp_path):
    drop(dock, tmp_path / "nothing.csv")
    assert "There is no file" in panel.files.status.text()
    assert not panel.rows


def test_painting_is_saved_beside_the_file_or_into_it(dock, panel, data):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    buttons = panel.next_image
    step(dock, buttons.next)
    labels = painted(dock)
    step(dock, buttons.next)
    assert "The labels of c0.png were painted on." in buttons.question.text
    answer(dock, "Stay here")
    assert labels in dock.viewer.layers
    step(dock, buttons.next)
    answer(dock, "Beside it")
    assert names(panel)[0] == ("c0.png", "c0_edited.png")
    assert (corner(data / "masks" / "c0_edited.png") == 2).all()
    assert (corner(data / "masks" / "c0.png") == 1).all()
    assert [layer.name for layer in dock.viewer.layers] == ["c1.png", "c1.png labels"]
    painted(dock)
    step(dock, buttons.previous)  # not asked again
    assert names(panel)[1][1] == "c1_edited.png"
    labels = painted(dock)
    labels.data_setitem(np.nonzero(np.ones((4, 4))), 1)
    step(dock, buttons.next)  # its own file is written again
    assert (corner(data / "masks" / "c0_edited.png") == 1).all()
    assert len(list((data / "masks").iterdir())) == 5


def saved_at_the_end():
    """Wait for what closed docks are saving."""
    for thread in threading.enumerate():
        if thread.name == SAVING:
            thread.join(20)


def test_painting_is_saved_beside_the_file_when_the_dock_closes(dock, panel, data):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    step(dock, panel.next_image.next)
    painted(dock)
    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    saved_at_the_end()
    assert (corner(data / "masks" / "c0_edited.png") == 2).all()
    assert (corner(data / "masks" / "c0.png") == 1).all()


def test_painting_is_saved_once_when_the_viewer_closes_its_layers_and_docks(dock, panel, data):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    step(dock, panel.next_image.next)
    step(dock, panel.next_image.next)  # nothing was painted on the first
    painted(dock)
    dock.viewer.layers.clear()
    dock.deleteLater()
    QApplication.sendPostedEvents(dock, QEvent.Type.DeferredDelete)
    saved_at_the_end()
    assert (corner(data / "masks" / "c1_edited.png") == 2).all()
    assert len(list((data / "masks").iterdir())) == 4


def test_files_are_overwritten_once_a_person_says_so(dock, panel, data):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    step(dock, panel.next_image.next)
    painted(dock)
    step(dock, panel.next_image.next)
    answer(dock, "Into the file")
    assert (corner(data / "masks" / "c0.png") == 2).all()
    painted(dock)
    save(data / "masks" / "c1.png", mask()[::-1].copy())  # by another program, meanwhile
    step(dock, panel.next_image.next)
    assert names(panel)[:2] == [("c0.png", "c0.png"), ("c1.png", "c1_edited.png")]
    assert (corner(data / "masks" / "c1.png") == 1).all()


def test_nothing_is_written_where_nothing_was_painted(dock, panel, data):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    for _ in range(3):
        step(dock, panel.next_image.next)
    assert not panel.next_image.next.isEnabled()
    assert len(list(data.rglob("*.*"))) == 6


def test_labels_that_cannot_be_saved_stay_open(dock, panel, data, monkeypatch):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    step(dock, panel.next_image.next)
    labels = painted(dock)
    step(dock, panel.next_image.next)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_segkit._qt.docks.train.row_files.write_labels", full)
    answer(dock, "Beside it")
    assert "No space left on device" in panel.next_image.status.text()
    assert labels in dock.viewer.layers
    assert panel.rows[0].labels is labels


def test_files_that_have_vanished_are_said_before_the_training(dock, panel, data, qtbot):
    dock.session.training_set = TrainingSet.from_files(data / "images", data / "masks")
    assert dock.wait_idle()
    assert dock.bar.reason is None
    (data / "masks" / "c1.png").unlink()
    with qtbot.waitSignal(dock.bar.errored, timeout=60_000):
        dock.bar.button.click()
    assert "c1.png of the training set (row 2): there is no file" in dock.bar.status.text()
    step(dock, panel.next_image.next)
    step(dock, panel.next_image.next)
    assert "There is no file" in panel.next_image.status.text()


def test_masks_of_another_size_are_counted_and_fitted(dock, panel, data):
    save(data / "masks" / "c1.png", mask()[::2, ::2].copy())
    drop(dock, data / "images", data / "masks")
    assert dock.bar.reason == (
        "1 of 3 masks has another size than its image: c1.png. Press Fit masks to resample to the "
        "images' sizes, or leave them out."
    )
    panel.answers.answer("Fit masks")
    assert dock.wait_idle()
    assert dock.bar.reason is None
    assert panel.summary.text() == "3 to train. Labelled pixels: 3,456 of 1, 1,152 of 2."
    step(dock, panel.next_image.next)
    step(dock, panel.next_image.next)
    assert (dock.viewer.layers.selection.active.data == mask()).all()
