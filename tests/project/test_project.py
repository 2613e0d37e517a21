"""A project is saved into one folder and opened again with the same images and labels."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_segkit import ModelSpec, Project, TrainConfig, TrainingRow, TrainingSet


@pytest.fixture
def cells(tmp_path):
    """A training set of one image file with painted labels."""
    (tmp_path / "data").mkdir()
    image = np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)
    tifffile.imwrite(tmp_path / "data" / "a.tif", image)
    tifffile.imwrite(tmp_path / "data" / "a_mask.tif", np.eye(24, 32, dtype=np.uint8))
    return TrainingSet.from_files([tmp_path / "data" / "a.tif", tmp_path / "data" / "a_mask.tif"])


def values_of(row):
    labels = row.labels.open()
    return np.asarray(getattr(labels, "data", labels))


def test_a_project_comes_back(cells, tmp_path):
    spec, config = ModelSpec("unet", encoder="resnet34"), TrainConfig(epochs=3, unlabelled=None)
    volume = np.random.default_rng(1).random((3, 8, 9)).astype(np.float32)
    painted = TrainingRow(volume, np.full((3, 8, 9), 2), "validate", "mouse 1", "drawn volume")
    project = Project(cells + TrainingSet([painted]), spec, config)
    with pytest.warns(UserWarning, match="saved in the project as images/drawn_volume.tif"):
        folder = project.save(tmp_path / "project")
    again = Project.open(folder)
    assert (again.spec, again.config) == (spec, config)
    first, second = again.training_set.rows
    assert first.image.paths == (tmp_path / "data" / "a.tif",)
    np.testing.assert_array_equal(values_of(first), np.eye(24, 32))
    np.testing.assert_array_equal(np.asarray(second.image.open().data), volume)
    np.testing.assert_array_equal(values_of(second), painted.labels)
    assert (second.role, second.group, second.name) == ("validate", "mouse 1", "drawn volume")


def test_autosaved_labels_are_offered_until_they_are_saved(cells, tmp_path):
    folder = Project(cells).save(tmp_path / "project")
    project = Project.open(folder)
    assert project.autosave() is None
    painted = np.full((24, 32), 7)
    assert project.autosave({0: painted}) == folder / "autosave"
    with pytest.warns(UserWarning, match="labels of a.tif were autosaved after the last save"):
        after_crash = Project.open(folder)
    assert values_of(after_crash.training_set.rows[0]).max() == 1
    after_crash.recovered.save()
    assert not (folder / "autosave").exists()
    assert (values_of(Project.open(folder).training_set.rows[0]) == 7).all()


def test_opening_a_project_loads_no_torch(cells, tmp_path):
    folder = Project(cells).save(tmp_path / "project")
    code = (
        "import sys; from napari_segkit import Project; "
        f"Project.open({str(folder)!r}).save(); "
        "assert not {'torch', 'napari', 'qtpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
