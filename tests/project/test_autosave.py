"""Nothing painted is lost: autosaves, saves that fail at any file, processes that are killed."""

import errno
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_segkit import Project, TrainingSet
from napari_segkit.io import replace_file
from napari_segkit.io.replace_file import WriteError

from .conftest import SHAPE, names, painted


def full_from(monkeypatch, number):
    """The disk is full from the write with this number on."""
    written, store = [], replace_file._store

    def stores(file):
        written.append(file)
        if len(written) > number:
            raise OSError(errno.ENOSPC, "No space left on device")
        store(file)

    monkeypatch.setattr(replace_file, "_store", stores)


def test_autosaved_labels_are_offered_until_they_are_saved(folder):
    project = Project.open(folder)
    assert project.autosave() is None
    assert project.autosave({1: np.full(SHAPE, 7)}) == folder / "autosave"
    assert names(folder / "autosave") == ["b.tif", "project.json"]
    with pytest.warns(UserWarning, match=r"labels of b\.tif were autosaved after the last save"):
        after_crash = Project.open(folder)
    assert painted(after_crash) == [1, 2]
    assert painted(after_crash.recovered) == [1, 7]
    project = after_crash.recovered
    project.save()
    assert painted(project) == [1, 7]  # its rows can still be read
    project.autosave({0: np.full(SHAPE, 8)})
    project.save()
    again = Project.open(folder)
    assert again.recovered is None
    assert painted(again) == [8, 7]
    again.save()
    assert not (folder / "autosave").exists()


@pytest.mark.filterwarnings("ignore:.*(lacks labels|were autosaved)")
def test_autosaved_labels_are_offered_where_other_labels_are_lost(folder):
    Project.open(folder).autosave({0: np.full(SHAPE, 7)})
    (folder / "labels" / "b.tif").unlink()
    project = Project.open(folder).recovered
    project.autosave({1: np.full(SHAPE, 8)})
    (folder / "autosave" / "a.tif").unlink()
    project = Project.open(folder).recovered
    project.save()
    assert painted(Project.open(folder)) == [1, 8]


def test_autosaved_labels_can_be_dropped(folder):
    Project.open(folder).autosave({0: np.full(SHAPE, 7)})
    with pytest.warns(UserWarning, match="were autosaved"):
        project = Project.open(folder)
    project.drop_autosave()
    assert names(folder) == ["labels/a.tif", "labels/b.tif", "project.json"]
    assert Project.open(folder).recovered is None


def test_every_autosave_keeps_what_was_painted_before(folder):
    project = Project.open(folder)
    project.autosave({0: np.full(SHAPE, 7)})
    project.autosave({1: np.full(SHAPE, 8)})
    with pytest.warns(UserWarning, match=r"a\.tif, b\.tif were autosaved"):
        assert painted(Project.open(folder).recovered) == [7, 8]
    project.autosave({0: np.full(SHAPE, 1), 1: np.full(SHAPE, 2)})  # painted back
    assert not (folder / "autosave").exists()
    project.autosave({0: np.full(SHAPE, 9)})
    project.save()
    assert painted(Project.open(folder)) == [9, 2]


def test_a_new_image_is_autosaved_with_its_labels(cells, tmp_path):
    project = Project(TrainingSet(cells.rows[:1]))
    folder = project.save(tmp_path / "project")
    project.training_set += TrainingSet(cells.rows[1:])
    project.autosave()
    with pytest.warns(UserWarning, match=r"labels of b\.tif were autosaved"):
        assert painted(Project.open(folder).recovered) == [1, 2]


def test_a_full_disk_leaves_the_autosave_before_it(folder, monkeypatch):
    project = Project.open(folder)
    project.autosave({0: np.full(SHAPE, 7)})
    with monkeypatch.context() as patch:
        full_from(patch, 0)
        with pytest.raises(WriteError, match="cannot be written: the disk is full"):
            project.autosave({0: np.full(SHAPE, 8)})
    with pytest.warns(UserWarning, match="were autosaved"):
        assert painted(Project.open(folder).recovered) == [7, 2]
    project.autosave()  # tried again
    with pytest.warns(UserWarning, match="were autosaved"):
        assert painted(Project.open(folder).recovered) == [8, 2]


@pytest.mark.parametrize("number", range(3))
def test_a_save_that_fails_at_any_file_is_tried_again(folder, monkeypatch, number):
    project = Project.open(folder)
    project._take({0: np.full(SHAPE, 7), 1: np.full(SHAPE, 8)})
    with monkeypatch.context() as patch:
        full_from(patch, number)
        with pytest.raises(WriteError, match="the disk is full"):
            project.save()
    found = painted(Project.open(folder))
    assert [found[0] in (1, 7), found[1] in (2, 8)] == [True, True]
    project._take({0: np.full(SHAPE, 1)})  # painted back meanwhile
    project.save()
    assert painted(Project.open(folder)) == [1, 8]


def test_a_first_save_that_fails_leaves_nothing(cells, tmp_path, monkeypatch):
    project = Project(cells)
    with monkeypatch.context() as patch:
        full_from(patch, 1)
        with pytest.raises(WriteError, match="the disk is full"):
            project.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert painted(Project.open(project.save(tmp_path / "new"))) == [1, 2]


KILLED = """
import os, sys
import numpy as np
from napari_segkit import Project
from napari_segkit.io import replace_file
place, count = replace_file._place, int(sys.argv[2])
def killed(*args, **options):
    global count
    if not count:
        os._exit(9)
    count -= 1
    place(*args, **options)
replace_file._place = killed
project = Project.open(sys.argv[1])
project.autosave({0: np.full((24, 32), 7), 1: np.full((24, 32), 8)})
project.save()
"""


@pytest.mark.parametrize(
    ("number", "either"),
    [
        (0, [(1,), (2,)]),  # before an autosaved file is in its place
        (2, [(1,), (2,)]),  # before the list of the autosave
        (4, [(7,), (2,)]),  # between two label files of the save
        (5, [(7,), (8,)]),  # before project.json
    ],
)
@pytest.mark.filterwarnings("ignore:.*autosaved")
def test_a_killed_process_leaves_a_project_that_opens(folder, number, either):
    done = subprocess.run([sys.executable, "-c", KILLED, folder, str(number)], check=False)
    assert done.returncode == 9
    project = Project.open(folder)
    assert all(value in allowed for value, allowed in zip(painted(project), either, strict=True))
    if number >= 3:
        assert painted(project.recovered) == [7, 8]
        project = project.recovered
    project.save()
    assert Project.open(folder).recovered is None


def test_what_others_write_stays(folder):
    mine, other = Project.open(folder), Project.open(folder)
    tifffile.imwrite(folder / "labels" / "b.tif", np.full(SHAPE, 5, np.uint8))  # as Fiji does
    mine._take({1: np.full(SHAPE, 6)})
    with pytest.warns(UserWarning, match=r"labels/b\.tif was changed by another program"):
        mine.save()
    assert painted(Project.open(folder)) == [1, 6]
    assert tifffile.imread(folder / "labels" / "b.tif").max() == 5
    with pytest.raises(ValueError, match=r"was saved by another window or script at .*, after"):
        other.save()
    other.save(overwrite=True)
    assert painted(Project.open(folder)) == [1, 5]
