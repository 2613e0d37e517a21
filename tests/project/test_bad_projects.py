"""Folders that were moved, changed or half deleted: one sentence each, and nothing is broken."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_segkit import Project, Segmenter, TrainingRow, TrainingSet
from napari_segkit.io import output_paths
from napari_segkit.io.replace_file import ExistsError, WriteError

from .conftest import SHAPE, names, painted


def change(folder, edit, name="project.json"):
    """Edit the JSON of a project."""
    file = folder / name
    written = json.loads(file.read_text())
    edit(written)
    file.write_text(json.dumps(written))


def setting(*keys, to):
    """An edit of one value."""

    def edit(written):
        for key in keys[:-1]:
            written = written[key]
        written[keys[-1]] = to

    return edit


ROW = ("training_set", 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (setting("format", to=2), "saved by a newer napari-segkit.*: update napari-segkit"),
        (setting("format", to="1"), "cannot be read as a project.*invalid format"),
        (lambda written: written.clear(), "cannot be read as a project"),
        (setting("training_set", to={}), "invalid training set"),
        (setting("training_set", to=[1]), "invalid row"),
        (setting(*ROW, "role", to="test"), "invalid role"),
        (setting(*ROW, "name", to=["a"]), "invalid name"),
        (setting(*ROW, "image", "paths", to=[]), "invalid image"),
        (setting(*ROW, "image", "paths", to=["a\0.tif"]), "invalid path"),
        (setting(*ROW, "image", "fingerprints", to=[]), "invalid image"),
        (setting(*ROW, "image", "axes", to=3), "invalid axes"),
        (setting(*ROW, "image", "spacing", to=[1e999]), "invalid spacing"),
        (setting(*ROW, "image", "contents", to=["x"]), "leads out of the project"),
        (setting(*ROW, "labels", "path", to="../a.tif"), "leads out of the project"),
        (setting(*ROW, "labels", "path", to="labels/../../a.tif"), "leads out of the project"),
        (setting(*ROW, "labels", "path", to="/etc/passwd"), "leads out of the project"),
        (setting(*ROW, "labels", "path", to="C:\\a.tif"), "leads out of the project"),
        (setting(*ROW, "labels", "path", to="labels\\..\\..\\a.tif"), "leads out of the project"),
        (setting(*ROW, "labels", to="labels/a.tif"), "invalid labels"),
        (setting("classes", to=[{"value": 1, "name": "a", "color": "red"}]), "invalid class"),
        (setting("config", "epochs", to="many"), "TrainConfig.epochs is 'many'"),
        (setting("config", "minutes", to=float("nan")), "TrainConfig.minutes is nan"),
        (setting("config", "tile", to=1), "TrainConfig.tile is 1"),
        (setting("spec", "name", to="u\x1b[2Jnet"), "invalid text"),
        (setting("spec", to=[]), "invalid ModelSpec"),
        (setting("results", to=[1]), "invalid path"),
        (setting("has_model", to="yes"), "invalid has_model"),
    ],
)
def test_what_cannot_be_is_refused(folder, edit, message):
    change(folder, edit)
    with pytest.raises(ValueError, match=message):
        Project.open(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 100_000, '{"format": 1, "format": 1}', "\xff"]
)
def test_what_is_no_project_is_refused(folder, text):
    (folder / "project.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="cannot be read as a project of napari-segkit"):
        Project.open(folder)


def test_a_folder_without_a_project_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match="is no project of napari-segkit"):
            Project.open(place)


def test_unknown_keys_are_left_out_and_told(folder):
    change(folder, setting("config", "new_setting", to=1))
    change(folder, setting("config", "tile", "new", to=1))
    change(folder, setting("extra", to={}))
    with pytest.warns(UserWarning, match=r"holds 'extra', TileConfig\.new, TrainConfig\.new_sett"):
        assert painted(Project.open(folder)) == [1, 2]


def test_nothing_is_written_through_a_link_out_of_the_project(folder, tmp_path):
    other = tmp_path / "other.tif"
    other.write_bytes(b"mine")
    project = Project.open(folder)
    (folder / "labels" / "a.tif").unlink()
    try:
        (folder / "labels" / "a.tif").symlink_to(other)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(ValueError, match="leads out of the project"):
        Project.open(folder)
    project._take({0: np.full(SHAPE, 9)})
    with pytest.warns(UserWarning, match="it stays"):
        project.save()
    (folder / "model.segkit").symlink_to(other)
    project.segmenter = Segmenter("pixels")
    with pytest.raises(ValueError, match="is a link out of the project"):
        project.save()
    assert other.read_bytes() == b"mine"


def test_nothing_is_removed_through_a_link_of_the_autosave(cells, folder, tmp_path):
    other = Project(cells).save(tmp_path / "other")
    try:
        (folder / "autosave").symlink_to(other)
    except OSError:
        pytest.skip("no links here")
    with pytest.warns(UserWarning, match="Autosaved labels are left out: .* leads out"):
        project = Project.open(folder)
    project.save()
    with pytest.raises(ValueError, match="is a link out of the project"):
        project.autosave({0: np.full(SHAPE, 9)})
    assert painted(Project.open(other)) == [1, 2]


@pytest.mark.parametrize("with_images", [True, False])
def test_a_moved_project_finds_its_images(folder, tmp_path, with_images):
    place = tmp_path / "elsewhere" / "deep"
    place.mkdir(parents=True)
    shutil.move(folder, place / "project")
    shutil.move(tmp_path / "data", (place if with_images else tmp_path) / "pictures")
    images = None if with_images else tmp_path / "pictures"
    with pytest.warns(UserWarning, match=r"Images of .* were found elsewhere, in .*pictures"):
        project = Project.open(place / "project", images=images)
    assert [row.image.open().shape for row in project.training_set.rows] == [SHAPE, SHAPE]
    project.save()
    assert painted(Project.open(place / "project")) == [1, 2]  # without a word
    assert names(place / "project")[:2] == ["labels/a.tif", "labels/b.tif"]


def test_a_project_that_moves_with_its_images_is_as_before(folder, tmp_path):
    for name in ("project", "data"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    project = Project.open(tmp_path / "new" / "project")
    assert [row.image.open().shape for row in project.training_set.rows] == [SHAPE, SHAPE]


def test_missing_and_changed_images_are_told_and_stay_in_the_set(folder, tmp_path):
    pixels = (tmp_path / "data" / "a.tif").rename(tmp_path / "pixels")
    shutil.copy(tmp_path / "data" / "b_mask.tif", tmp_path / "data" / "b.tif")
    with (
        pytest.warns(UserWarning, match=r"are missing: a\.tif\. Put them back"),
        pytest.warns(UserWarning, match=r"changed since it was saved: b\.tif\. Check"),
    ):
        project = Project.open(folder)
    project.autosave({0: np.full(SHAPE, 4)})
    project.save()
    with pytest.warns(UserWarning, match="are missing"):
        assert painted(Project.open(folder)) == [4, 2]
    (tmp_path / "back").mkdir()
    shutil.copy(pixels, tmp_path / "back" / "a.tif")
    with pytest.warns(UserWarning, match=r"found elsewhere, in .*back"):
        Project.open(folder)


def test_missing_labels_and_model_are_told(folder):
    change(folder, setting("has_model", to=True))
    (folder / "labels" / "b.tif").unlink()
    with (
        pytest.warns(UserWarning, match=r"lacks labels: labels/b\.tif\."),
        pytest.warns(UserWarning, match=r"model\.segkit is missing: train the model again"),
    ):
        project = Project.open(folder)
    with pytest.raises(ValueError, match="has no trained model"):
        project.load_model()
    project._take({1: np.full(SHAPE, 3)})
    project.save()
    assert painted(Project.open(folder)) == [1, 3]


@pytest.mark.parametrize("text", ["{", '{"format": 9}'])
def test_a_damaged_autosave_keeps_no_project_from_opening_and_is_kept(folder, text):
    Project.open(folder).autosave({0: np.full(SHAPE, 7)})
    (folder / "autosave" / "project.json").write_text(text)
    with pytest.warns(UserWarning, match="Autosaved labels are left out"):
        project = Project.open(folder)
    assert project.recovered is None
    project.autosave({1: np.full(SHAPE, 8)})
    project.save()
    kept = sorted(file.name for file in (folder / "autosave-unread").iterdir())
    assert kept == ["a.tif", "project.json"]
    assert not (folder / "autosave").exists()


def test_a_read_only_project_opens_and_says_where_it_cannot_save(folder, monkeypatch):
    project = Project.open(folder)

    def fails(folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(output_paths, "try_to_write", fails)
    with pytest.raises(ValueError, match="the disk is read-only; choose another folder"):
        project.save()
    monkeypatch.setattr(Path, "mkdir", lambda place, **options: fails(place))
    with pytest.raises(WriteError, match="autosave cannot be made: the disk is read-only"):
        project.autosave({0: np.full(SHAPE, 9)})


def test_no_folder_of_other_files_is_written_into(cells, folder, tmp_path):
    project = Project(cells)
    with pytest.raises(ValueError, match="has no folder yet: give one"):
        project.save()
    with pytest.raises(ValueError, match="has no folder yet: save it"):
        project.autosave()
    with pytest.raises(ValueError, match="data holds files and is no project"):
        project.save(tmp_path / "data")
    with pytest.raises(ExistsError, match="is another project, which is not replaced"):
        project.save(folder, overwrite=True)
    with pytest.raises(ValueError, match="is no folder"):
        project.save(tmp_path / "data" / "a.tif")
    assert painted(Project.open(folder)) == [1, 2]


@pytest.mark.filterwarnings("ignore:The image")
def test_wrong_arguments_are_told(cells, folder):
    with pytest.raises(TypeError, match=r"training_set is .*: give a TrainingSet"):
        Project(cells.rows)
    with pytest.raises(TypeError, match=r"config is .*: give a TrainConfig"):
        Project(cells, config=3)
    with pytest.raises(ValueError, match="labels has row 5, but the training set has 2 rows"):
        Project.open(folder).autosave({5: np.zeros(SHAPE, int)})
    with pytest.raises(ValueError, match="shape"):
        Project.open(folder).autosave({0: np.zeros((3, 3), int)})
    with pytest.raises(ValueError, match="integers"):
        Project.open(folder).autosave({0: np.full(SHAPE, 0.5)})
    with pytest.raises(ValueError, match=r"cannot be saved .*invalid name"):
        Project(TrainingSet([TrainingRow(np.ones(SHAPE), None, name="n" * 2000)])).save(
            folder.parent / "new"
        )
