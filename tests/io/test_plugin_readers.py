"""Formats that plugins of napari read, with the axes and sizes they give; or what to install."""

import numpy as np
import pytest
import zarr

from napari_segkit.io.files import read_image, read_labels
from napari_segkit.io.image_files import find_images

NUMBERS = np.random.default_rng(0).integers(0, 200, (3, 6, 7)).astype(np.uint16)


@pytest.fixture
def plugin():
    """Function that registers a reader of an ending that gives these layers."""
    from npe2 import DynamicPlugin, PluginManager

    PluginManager.instance().discover()
    made = []

    def give(ending, *layers, folders=False):
        reader = DynamicPlugin(f"segkit-test-{ending[1:]}-{len(made)}")
        reader.register()
        made.append(reader)

        @reader.contribute.reader(filename_patterns=[f"*{ending}"], accepts_directories=folders)
        def get_reader(path):
            return (lambda _: list(layers)) if layers else None

    yield give
    for reader in made:
        reader.cleanup()


@pytest.mark.parametrize("ending", [".czi", ".nd2", ".lif", ".h5", ".n5"])
def test_axes_and_sizes_come_with_the_layer_of_a_plugin(tmp_path, plugin, ending):
    options = {"axis_labels": ("T", "Y", "X"), "scale": (30, 0.2, 0.1), "units": ("s", "um", "um")}
    plugin(ending, (NUMBERS, options))
    (tmp_path / f"a{ending}").touch()
    image = read_image(tmp_path / f"a{ending}")
    assert (image.axes, image.spacing, image.unit) == ("TYX", (1, 0.2, 0.1), "um")
    np.testing.assert_array_equal(image.data, NUMBERS)


def test_axes_and_sizes_come_with_the_channels_of_a_plugin(tmp_path, plugin):
    options = {"axis_labels": ("time", "y", "x"), "scale": (30, 0.2, 0.1), "units": "um"}
    plugin(".czi", (NUMBERS, options | {"name": "a"}), (NUMBERS + 1, options | {"name": "b"}))
    (tmp_path / "a.czi").touch()
    image = read_image(tmp_path / "a.czi")
    assert (image.axes, image.spacing, image.unit) == ("CTYX", (1, 0.2, 0.1), "um")
    np.testing.assert_array_equal(image.data, [NUMBERS, NUMBERS + 1])


@pytest.mark.parametrize("read", [read_image, read_labels])
def test_a_python_file_is_neither_read_nor_run(tmp_path, read):
    """napari has a reader that runs them."""
    (tmp_path / "a.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match=r"a\.py cannot be read: no reader for such files"):
        read(tmp_path / "a.py")
    with pytest.raises(ValueError, match="holds no image"):
        find_images(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_labels_come_with_a_plugin(tmp_path, plugin):
    plugin(".n5", (NUMBERS, {}, "image"), (NUMBERS % 3, {}, "labels"), folders=True)
    (tmp_path / "a.n5").mkdir()
    np.testing.assert_array_equal(read_labels(tmp_path / "a.n5"), NUMBERS % 3)
    np.testing.assert_array_equal(read_image(tmp_path / "a.n5").data, NUMBERS)


def test_zarr_is_read_without_the_plugins_for_it(tmp_path, plugin):
    """A plugin of napari gives an OME-Zarr image in an order, and with layers, of its own."""
    plugin(".zarr", (NUMBERS, {}, "image"), folders=True)
    zarr.create_array(tmp_path / "a.zarr", data=NUMBERS + 1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").data, NUMBERS + 1)


def test_a_plugin_is_taken_before_napari_and_after_one_that_refuses(tmp_path, plugin):
    plugin(".tga")
    plugin(".tga", (NUMBERS[0], {"scale": (0.2, 0.1)}))
    (tmp_path / "a.tga").touch()
    assert read_image(tmp_path / "a.tga").spacing == (1, 0.2, 0.1)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.czi", "install the napari plugin napari-czitools or napari-bioformats, or save the"),
        ("a.nd2", "install the napari plugin napari-bioformats, or save the image as TIFF or NPY"),
        ("a.LIF", "install the napari plugin napari-bioformats"),
        ("a.h5", "install the napari plugin napari-h5"),
        ("a.hdf5", "save the image as TIFF or NPY, or install a napari plugin that reads it"),
        ("a.n5", "install the napari plugin napari-n5"),
        ("a.csv", "save the image as TIFF or NPY"),  # napari reads points from it
    ],
)
def test_a_format_without_a_reader_says_what_to_install(tmp_path, name, sentence):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"{name} cannot be read: no reader .*: {sentence}"):
        read_image(tmp_path / name)


def test_a_folder_of_a_format_without_a_reader_says_what_to_install(tmp_path):
    (tmp_path / "a.nd2").touch()
    sentence = "holds no image that can be read; for a.nd2, install the napari plugin napari-bio"
    with pytest.raises(ValueError, match=sentence):
        find_images(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        find_images(tmp_path / "*.nd2")
