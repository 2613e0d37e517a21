import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.layers._layer_actions import _convert_to_labels
from npe2 import PluginManager

from napari_segkit import session
from napari_segkit._qt.layers.layer_classes import read_classes
from napari_segkit.images.classes import LabelClass
from napari_segkit.io.files import write_labels
from napari_segkit.io.writers import FileMetadata

CLASSES = LabelClass(1, "leaf", "#00ff00"), LabelClass(3, "stem", "#aa5500")
MASK = np.array([[0, 1, 1], [3, 3, 0]], np.uint8)


@pytest.fixture
def viewer(light_viewer):
    PluginManager.instance().discover()
    viewer = light_viewer
    session(viewer)
    return viewer


def converted(viewer, path):
    """The file as napari opens it, after *Convert to Labels*."""
    viewer.open(path, plugin="napari")
    with pytest.warns(UserWarning, match="projection mode"):
        _convert_to_labels(viewer.layers)
    (layer,) = viewer.layers
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(layer.data, MASK)
    return layer


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_an_image_that_becomes_labels_has_the_classes_of_its_file(ending, viewer, tmp_path):
    path = tmp_path / f"a.{ending}"
    write_labels(path, MASK, FileMetadata("YX", classes=CLASSES))
    layer = converted(viewer, path)
    assert read_classes(layer) == CLASSES
    np.testing.assert_allclose(layer.get_color(1), (0, 1, 0, 1))


def test_a_file_without_classes_becomes_labels_as_before(viewer, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", MASK)
    layer = converted(viewer, tmp_path / "a.tif")
    assert "name" not in layer.features


def test_other_labels_are_left_alone(viewer, tmp_path):
    path = tmp_path / "a.tif"
    write_labels(path, MASK, FileMetadata("YX", classes=CLASSES))
    viewer.open(path, plugin="napari")
    viewer.layers.clear()
    assert "name" not in viewer.add_labels(MASK.copy()).features
