"""What is said of files that napari opens with a reader of its own."""

import numpy as np
import pytest
import SimpleITK as sitk

from napari_segkit import ModelSpec, Segmenter

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 24, 30), np.uint8)


@pytest.fixture
def file(tmp_path):
    image = sitk.GetImageFromArray(PIXELS)
    image.SetSpacing((0.5, 0.5, 3))
    sitk.WriteImage(image, str(tmp_path / "scan.nrrd"))
    return tmp_path / "scan.nrrd"


def train(layer):
    labels = np.zeros(PIXELS.shape, np.uint8)
    labels[:, :3], labels[:, 21:] = 1, 2
    return Segmenter(ModelSpec("pixels", dims="2D")).fit(layer, labels, axes="ZYX")


def test_a_volume_that_napari_opened_without_its_place_is_said(shared_viewer, file):
    viewer = shared_viewer
    (layer,) = viewer.open(file)
    assert layer.source.reader_plugin == "napari"
    with pytest.warns(UserWarning, match="scan: napari opened its file without voxel size"):
        train(layer)
    (layer,) = viewer.open(file, plugin="napari-segkit")
    np.testing.assert_allclose(layer.scale, (3, 0.5, 0.5))
    train(layer)  # no note: warnings are errors here
