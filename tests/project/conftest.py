"""A project of two images with painted labels."""

import numpy as np
import pytest
import tifffile

from napari_segkit import Project, TrainingSet

SHAPE = (24, 32)


def values_of(mask):
    labels = mask.open()
    return np.asarray(getattr(labels, "data", labels))


def painted(project):
    """The largest label of each image."""
    return [int(values_of(row.labels).max()) for row in project.training_set.rows]


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def cells(tmp_path):
    """A training set of two image files, whose labels are 1 and 2 everywhere."""
    data = tmp_path / "data"
    data.mkdir()
    random = np.random.default_rng(0)
    for value, name in enumerate("ab", 1):
        tifffile.imwrite(data / f"{name}.tif", random.integers(0, 255, SHAPE, np.uint8))
        tifffile.imwrite(data / f"{name}_mask.tif", np.full(SHAPE, value, np.uint8))
    return TrainingSet.from_files(sorted(data.iterdir()))


@pytest.fixture
def folder(cells, tmp_path):
    """The folder of a saved project."""
    return Project(cells).save(tmp_path / "project")
