"""Projects of a workbench: saved, autosaved, opened, and offered again after a crash."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_segkit import Project, TileConfig
from napari_segkit._qt.app.workbench import Workbench
from napari_segkit._qt.session import unsaved_labels
from napari_segkit.images.classes import LabelClass

PAINT = """
import sys
from pathlib import Path
import numpy as np
import napari
from qtpy.QtWidgets import QApplication
from napari_segkit._qt.app import window_project
from napari_segkit._qt.app.workbench import Workbench

window_project.AUTOSAVE_SECONDS = 1.0
viewer = napari.Viewer(show=False)
viewer.add_image(np.ones((32, 32), np.float32), name="cells")
labels = viewer.add_labels(np.zeros((32, 32), np.uint8), name="cells labels")
bench = Workbench(viewer)
viewer.window.add_dock_widget(bench)
if len(sys.argv) > 1:
    bench.project.save(Path(sys.argv[1]))
    while bench.project.is_busy:
        QApplication.processEvents()
labels.paint((8, 8), 2)
while True:
    QApplication.processEvents()
    if bench.project._autosaved == bench.project._state():
        print("kept", flush=True)
"""


@pytest.fixture
def make_workbench(make_light_viewer, qtbot):
    def make():
        workbench = Workbench(make_light_viewer())
        qtbot.addWidget(workbench)
        return workbench

    return make


@pytest.fixture
def painted(make_workbench, tmp_path):
    """A workbench with an image file and labels painted on it."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)
    tifffile.imwrite(tmp_path / "cells.tif", pixels)
    workbench = make_workbench()
    viewer = workbench.train.viewer
    image = viewer.add_image(pixels, name="cells")
    image._source = image.source.model_copy(update={"path": str(tmp_path / "cells.tif")})
    labels = viewer.add_labels(np.zeros((24, 32), np.uint8), name="cells labels")
    labels.data[2:6, 2:6], labels.data[10:12, 10:12] = 1, 2
    labels.refresh()
    workbench.train.classes.rename(1, "nucleus")
    return workbench


@pytest.fixture
def wait(qtbot):
    def wait(project):
        calls = project._work, project._autosaves
        qtbot.waitUntil(lambda: not any(call.is_busy for call in calls), timeout=10_000)

    return wait


def values_of(project):
    labels = project.training_set.rows[0].labels.open()
    return np.asarray(getattr(labels, "data", labels))


def labels_of(workbench):
    return next(x for x in workbench.train.viewer.layers if "labels" in x.name)


def test_a_project_brings_back_what_the_docks_held(painted, make_workbench, tmp_path, qtbot, wait):
    painted.predict.form.value = TileConfig(tile_size=64)
    painted.train.form.epochs.value = 3
    painted.project.save(tmp_path / "project")
    wait(painted.project)
    assert painted.project_row.name.text() == "project: saved."
    assert painted.train.viewer.title == "project - napari"
    assert not (tmp_path / "project" / "images").exists()  # the file stays where it is
    other = make_workbench()
    other.train.data.changed.connect(lambda: [x.refresh() for x in other.train.viewer.layers])
    other.project.open(tmp_path / "project")
    wait(other.project)
    qtbot.waitUntil(lambda: len(other.train.viewer.layers) == 2, timeout=10_000)
    np.testing.assert_array_equal(labels_of(other).data, labels_of(painted).data)
    assert LabelClass(1, "nucleus", painted.train.classes.classes[0].color) in (
        other.train.classes.classes
    )
    assert other.train.config() == painted.train.config()
    assert not other.project.has_changed
    assert other.predict.form.value == TileConfig(tile_size=64)
    other.project.open(tmp_path / "project")
    wait(other.project)
    qtbot.waitUntil(lambda: not other.project._is_opening, timeout=10_000)
    assert len(other.train.viewer.layers) == 2
    assert other.train.wait_idle()
    assert painted.train.wait_idle()


def test_painted_labels_are_autosaved_beside_the_project(painted, tmp_path, wait):
    project, folder = painted.project, tmp_path / "project"
    project.save(folder)
    wait(project)
    labels_of(painted).paint((20, 20), 2)
    assert project.has_changed
    project.autosave()
    wait(project)
    assert project.has_changed
    with pytest.warns(UserWarning, match="autosaved after the last save"):
        recovered = Project.open(folder).recovered
    np.testing.assert_array_equal(values_of(recovered), labels_of(painted).data)
    project.open(folder)
    wait(project)
    assert "painted after its last save" in painted.project_row.question.text
    painted.project_row.question.answer("With these labels")
    assert painted.train.wait_idle()
    assert painted.project.project.training_set.rows[0].labels is not None


def test_labels_in_no_project_are_offered_to_the_next_window(
    painted, make_workbench, tmp_path, qtbot, wait
):
    labels_of(painted).paint((20, 20), 2)
    painted.project.autosave()
    wait(painted.project)
    assert unsaved_labels.find_unsaved() is None  # held by its window
    painted.project._search.cancel()
    painted.project._let_go()  # as a crash does
    other = make_workbench()
    qtbot.waitUntil(lambda: bool(other.project_row.question.text), timeout=10_000)
    other.project_row.question.answer("Open")
    qtbot.waitUntil(lambda: len(other.train.viewer.layers) == 2, timeout=10_000)
    np.testing.assert_array_equal(labels_of(other).data, labels_of(painted).data)
    assert other.project.name == ""
    assert other.project.has_changed
    other.project.save(tmp_path / "project")
    qtbot.waitUntil(lambda: other.project._obsolete is None and not other.project._is_found)
    wait(other.project)
    qtbot.waitUntil(lambda: not other.project._is_opening)
    assert [x.name for x in other.train.viewer.layers] == ["cells", "cells labels"]
    assert not other.project.has_changed
    assert not list(unsaved_labels.labels_folder().glob("*.project"))
    np.testing.assert_array_equal(values_of(Project.open(tmp_path / "project"))[20, 20], 2)
    assert all(x.train.wait_idle() for x in (painted, other))


def test_a_full_disk_is_told_once_and_tried_again(
    painted, tmp_path, wait, monkeypatch, notifications
):
    project, folder = painted.project, tmp_path / "project"
    project.save(folder)
    wait(project)
    labels_of(painted).paint((20, 20), 2)
    with monkeypatch.context() as full:

        def fail(*_args, **_kwargs):
            raise OSError(28, "No space left on device")

        full.setattr(Project, "autosave", fail)
        for _ in range(2):
            project.autosave()
            wait(project)
    assert sum("Autosaving the labels" in text for text in notifications()) == 1
    project.autosave()
    wait(project)
    assert (folder / "autosave" / "project.json").exists()
    assert painted.train.wait_idle()


def test_labels_are_autosaved_with_settings_that_do_not_go_together(
    painted, tmp_path, wait, monkeypatch
):
    project, folder = painted.project, tmp_path / "project"
    project.save(folder)
    wait(project)

    def config():
        raise ValueError("epochs and minutes are None")

    monkeypatch.setattr(painted.train, "config", config)
    labels_of(painted).paint((20, 20), 2)
    project.autosave()
    wait(project)
    assert (folder / "autosave" / "project.json").exists()
    assert painted.train.wait_idle()


def test_what_another_window_has_saved_is_replaced_when_asked(painted, tmp_path, wait):
    project, folder = painted.project, tmp_path / "project"
    project.save(folder)
    wait(project)
    Project.open(folder).save()
    labels_of(painted).paint((20, 20), 2)
    painted.setCurrentWidget(painted.model)  # where the button is
    painted.project_row.save_button.click()
    wait(project)
    assert "was saved by another window or script at 20" in painted.project_row.question.text
    assert painted.currentWidget() is painted.train  # where the question is
    painted.project_row.question.answer("Overwrite")
    wait(project)
    assert values_of(Project.open(folder))[20, 20] == 2
    assert painted.train.wait_idle()


def test_a_project_opens_without_a_model_that_is_damaged_and_in_two_windows(
    painted, make_workbench, tmp_path, wait, qtbot
):
    painted.project.save(tmp_path / "project")
    wait(painted.project)
    (tmp_path / "project" / "model.segkit").write_bytes(b"damaged")
    other = make_workbench()
    other.project.open(tmp_path / "project")
    wait(other.project)
    qtbot.waitUntil(lambda: len(other.train.viewer.layers) == 2, timeout=10_000)
    said = other.project_row.status.text()
    assert "The project is opened without its model: model.segkit is not" in said
    assert "It is open in another window, too" in said
    assert all(x.train.wait_idle() for x in (painted, other))


def test_nothing_unsaved_is_replaced_unasked(painted, monkeypatch):
    labels_of(painted).paint((20, 20), 2)
    assert painted.project.has_changed
    with monkeypatch.context() as training:
        training.setattr(painted.project.session, "_task", object())
        painted.project_row.open()
    assert painted.project_row.status.text().startswith("Stop what is running")
    painted.project_row.open()
    assert "not in a project" in painted.project_row.question.text
    painted.project_row.question.answer("Stay")
    assert painted.train.wait_idle()


@pytest.mark.slow
@pytest.mark.parametrize("has_project", [True, False])
def test_strokes_survive_a_killed_process(tmp_path, monkeypatch, has_project):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    arguments = [str(tmp_path / "project")] if has_project else []
    command = [sys.executable, "-c", PAINT, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "kept\n"
        process.send_signal(signal.SIGKILL)
    place = tmp_path / "data" / "napari-segkit" / "unsaved-labels"
    folder = Path(arguments[0]) if has_project else next(place.glob("*.project"))
    if has_project:
        with pytest.warns(UserWarning, match="autosaved after the last save"):
            project = Project.open(folder).recovered
    else:
        project = Project.open(folder)
    assert values_of(project)[8, 8] == 2
