"""Files written and read back, files of other programs, and invalid files."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit.io.files import (
    check_output_file,
    read_image,
    read_labels,
    write_labels,
    write_probabilities,
)
from napari_segkit.io.writers import FileMetadata

SPACING = (2.0, 0.5, 0.25)
PROVENANCE = {"model": "cells=1.segkit", "note": 'é "<&>', "numbers": [1, 2.5, None]}


def values(shape, dtype=np.uint8, high=3):
    return np.random.default_rng(0).integers(0, high, shape).astype(dtype)


@pytest.mark.parametrize(
    ("axes", "shape", "dtype"),
    [
        ("YX", (6, 7), np.uint8),
        ("YX", (6, 3), np.uint16),
        ("ZYX", (3, 6, 7), np.uint16),
        ("ZYX", (1, 6, 7), np.uint8),
        ("TZYX", (2, 3, 6, 4), np.uint32),
        ("TYX", (4, 6, 7), np.int64),
        ("YXZ", (6, 7, 3), np.uint8),
    ],
)
def test_tiff_labels_keep_axes_and_spacing(tmp_path, axes, shape, dtype):
    labels = values(shape, dtype)
    path = tmp_path / "labels.tif"
    write_labels(path, labels, FileMetadata(axes, spacing=SPACING, provenance=PROVENANCE))
    np.testing.assert_array_equal(read_labels(path), labels)
    image = read_image(path)
    assert (image.axes, image.spacing, image.shape) == (axes, SPACING, shape)


@pytest.mark.parametrize("shape", [(6, 7), (1, 7)])
def test_tiff_keeps_the_provenance_in_its_description(tmp_path, shape):
    path = tmp_path / "labels.tif"
    write_labels(path, values(shape), FileMetadata("YX", provenance=PROVENANCE))
    with tifffile.TiffFile(path) as file:
        if file.ome_metadata:
            description = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Description"]
            kept = json.loads(description)
        else:
            kept = file.shaped_metadata[0]["provenance"]
        assert file.pages[0].compression == 8
    assert kept == PROVENANCE


@pytest.mark.parametrize("ending", [".png", ".npy"])
@pytest.mark.parametrize("high", [3, 60_000])
def test_png_and_npy_labels_are_read_back(tmp_path, ending, high):
    labels = values((6, 7), np.uint32, high)
    path = tmp_path / f"labels{ending}"
    write_labels(path, labels, FileMetadata("YX", provenance=PROVENANCE))
    np.testing.assert_array_equal(read_labels(path), labels)


def test_png_keeps_the_provenance(tmp_path):
    write_labels(tmp_path / "a.png", values((6, 7)), FileMetadata("YX", provenance=PROVENANCE))
    with Pictures.open(tmp_path / "a.png") as picture:
        assert json.loads(picture.text["provenance"]) == PROVENANCE


@pytest.mark.parametrize("ending", [".tif", ".npy"])
def test_probabilities_are_read_back(tmp_path, ending):
    probabilities = np.random.default_rng(0).random((2, 3, 6, 7)).astype(np.float32)
    path = tmp_path / f"p{ending}"
    write_probabilities(path, probabilities, FileMetadata("CZYX", spacing=SPACING))
    image = read_image(path, "CZYX")
    np.testing.assert_array_equal(image.data, probabilities)


@pytest.mark.parametrize(
    ("mode", "shape", "axes"),
    [
        ("1", (6, 7), "YX"),
        ("L", (6, 7), "YX"),
        ("I;16", (6, 7), "YX"),
        ("LA", (6, 7), "YX"),
        ("P", (6, 7), "YX"),
        ("RGB", (6, 7, 3), "YXC"),
        ("RGBA", (6, 7, 3), "YXC"),
    ],
)
def test_png_images_of_every_mode(tmp_path, mode, shape, axes):
    grey = Pictures.fromarray(values((6, 7), high=255))
    picture = (
        Pictures.fromarray(values((6, 7), np.uint16)) if mode == "I;16" else grey.convert(mode)
    )
    picture.save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image.shape, image.axes, image.name) == (shape, axes, "a.png")
    assert image.data.dtype == (np.uint16 if mode == "I;16" else np.uint8)


def test_jpeg_images(tmp_path):
    Pictures.fromarray(values((16, 17, 3), high=255)).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").axes == "YXC"


def test_a_palette_gives_colours_in_images_and_indices_in_labels(tmp_path):
    labels = values((6, 7))
    picture = Pictures.new("P", (7, 6))
    picture.putdata(labels.ravel().tolist())
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), labels)
    assert read_image(tmp_path / "a.png").data.max() == 200


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_grey_labels_stored_in_colour_are_one_value_per_pixel(tmp_path, mode, ending):
    labels = values((6, 7))
    Pictures.fromarray(labels).convert(mode).save(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read_labels(tmp_path / f"a{ending}"), labels)


def test_a_bilevel_mask_has_the_values_0_and_1(tmp_path):
    Pictures.fromarray(values((6, 7), high=2) * 255).convert("1").save(tmp_path / "a.png")
    labels = read_labels(tmp_path / "a.png")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, values((6, 7), high=2))


def test_coloured_labels_are_refused(tmp_path):
    Pictures.fromarray(values((6, 7, 3))).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="colour picture"):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_channels_of_a_tiff_are_all_kept(tmp_path, count, dtype):
    data = values((6, 7, count), dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig")
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, image.shape) == ("YXC", (6, 7, count))
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize(
    ("shape", "dtype", "extra", "kept"),
    [
        ((6, 7, 5), np.uint8, (0, 2), [0, 1, 2, 3]),
        ((6, 7, 5), np.uint16, (1, 0), [0, 1, 2, 4]),
        ((6, 7, 4), np.uint8, (0,), [0, 1, 2, 3]),
        ((6, 7, 4), np.uint16, (0,), [0, 1, 2, 3]),
        ((6, 7, 4), np.uint16, (1,), [0, 1, 2]),
    ],
)
def test_only_samples_that_are_alpha_are_left_out(tmp_path, shape, dtype, extra, kept):
    data = values(shape, dtype, 255)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=extra)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, data[..., kept])


def test_a_large_tiff_is_a_bigtiff_also_when_compressed(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_segkit.io.tiff.MAX_CLASSIC_BYTES", 100)
    for name, shape in (("small", (6, 7)), ("large", (60, 7))):
        write_labels(tmp_path / f"{name}.tif", values(shape), FileMetadata("YX"))
        with tifffile.TiffFile(tmp_path / f"{name}.tif") as file:
            assert file.is_bigtiff == (name == "large")


@pytest.mark.parametrize("shape", [(6, 7, 4), (3, 6, 7, 4)])
def test_rgba_tiff_drops_alpha(tmp_path, shape):
    tifffile.imwrite(tmp_path / "a.tif", values(shape), photometric="rgb")
    image = read_image(tmp_path / "a.tif", "ZYXC"[-len(shape) :])
    assert image.shape == (*shape[:-1], 3)


def test_imagej_tiff(tmp_path):
    data = values((3, 2, 6, 7))
    metadata = {"axes": "ZCYX", "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, resolution=(4, 2), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, image.spacing) == ("ZCYX", SPACING)
    np.testing.assert_array_equal(image.data, data)


def test_a_resolution_without_a_unit_is_ignored(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values((6, 7)), imagej=True, resolution=(72, 72))
    assert read_image(tmp_path / "a.tif").spacing == (1, 1, 1)


def test_axes_that_are_not_stored_are_guessed_or_given(tmp_path):
    np.save(tmp_path / "a.npy", values((2, 6, 7)))
    assert read_image(tmp_path / "a.npy").axes == "ZYX"
    assert read_image(tmp_path / "a.npy", labels_shape=(6, 7)).axes == "CYX"
    assert read_image(tmp_path / "a.npy", like="CYX").axes == "CYX"
    given = read_image(tmp_path / "a.npy", "TYX", (0.5, 0.25))
    assert (given.axes, given.spacing) == ("TYX", (1, 0.5, 0.25))
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in values((3, 6, 7)):
            file.write(page, metadata=None)
    assert read_image(tmp_path / "a.tif").axes == "ZYX"


def test_other_formats_are_read_by_installed_plugins(tmp_path):
    pictures = values((16, 17, 3), high=255)
    Pictures.fromarray(pictures).save(tmp_path / "a.bmp")
    image = read_image(tmp_path / "a.bmp")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(np.asarray(image.data), pictures)
    labels = values((16, 17))
    Pictures.fromarray(labels).save(tmp_path / "b.bmp")
    np.testing.assert_array_equal(np.asarray(read_labels(tmp_path / "b.bmp")), labels)


@pytest.fixture
def plugin(tmp_path):
    """Function that registers a reader of given layers and returns a file for it."""
    from npe2 import DynamicPlugin, PluginManager

    PluginManager.instance().discover()
    path = tmp_path / "a.thing"
    path.touch()
    with DynamicPlugin("segkit-test-reader") as made:

        def give(*layers):
            @made.contribute.reader(filename_patterns=["*.thing"])
            def get_reader(path):
                return lambda _: list(layers)

            return path

        yield give


def test_a_reader_may_leave_out_the_kind_of_layer(plugin):
    path = plugin((values((6, 7)), {"scale": np.array([0.5, 0.25])}))
    assert read_image(path).spacing == (1, 0.5, 0.25)


@pytest.mark.parametrize("scale", [(5, 0.2, 0.1), [(5, 0.2, 0.1)] * 2, (5, 1, 0.2, 0.1)])
def test_the_scale_with_a_channel_axis(plugin, scale):
    path = plugin((values((3, 2, 6, 7)), {"channel_axis": 1, "scale": scale}, "image"))
    image = read_image(path)
    assert (image.axes, image.spacing) == ("ZCYX", (5, 0.2, 0.1))


def test_the_scale_with_a_channel_axis_in_front(plugin):
    path = plugin((values((2, 3, 6, 7)), {"channel_axis": 0, "scale": (5, 0.2, 0.1)}))
    image = read_image(path)
    assert (image.axes, image.spacing) == ("CZYX", (5, 0.2, 0.1))


def test_the_scale_of_rgb(plugin):
    image = read_image(plugin((values((6, 7, 3)), {"scale": (0.2, 0.1)})))
    assert (image.axes, image.spacing) == ("YXC", (1, 0.2, 0.1))


def test_image_layers_of_one_shape_are_channels(plugin):
    first, second = values((3, 6, 7)), values((3, 6, 7), high=200)
    image = read_image(plugin((first, {"scale": (2, 1, 1)}), (second, {"name": "b"})))
    assert (image.axes, image.spacing) == ("CZYX", (2, 1, 1))
    np.testing.assert_array_equal(image.data, [first, second])


def test_layers_that_are_not_channels_are_refused(plugin):
    with pytest.raises(ValueError, match="holds 2 layers"):
        read_image(plugin((values((6, 7)), {}), (values((3, 3)), {})))


def test_several_labels_layers_are_refused(plugin):
    layer = (values((6, 7)), {}, "labels")
    with pytest.raises(ValueError, match="holds 2 layers"):
        read_labels(plugin(layer, layer))


def test_a_reader_without_data_is_refused(plugin):
    with pytest.raises(ValueError, match="holds no image layer"):
        read_image(plugin((None,)))


@pytest.mark.parametrize(
    "name", ["a.png", "a.tif", "a.npy", "a.jpg", "a.nii", "a.nii.gz", "a.unknown"]
)
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_missing_and_invalid_files_are_refused(tmp_path, name, read):
    path = tmp_path / name
    with pytest.raises(ValueError, match="There is no file"):
        read(path)
    path.write_bytes(b"nonsense" * 20)
    with pytest.raises(ValueError, match=r"a[.\w]+ cannot be read: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_tiff_is_told_as_such(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((30, 40), np.uint8))
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(ValueError, match=r"a\.tif cannot be read: it is damaged, or of a kind"):
        read_image(path)


def test_pickled_arrays_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="cannot be read"):
        read_labels(tmp_path / "a.npy")


def test_files_are_replaced_only_with_overwrite(tmp_path):
    path = tmp_path / "a.tif"
    write_labels(path, values((6, 7)), FileMetadata("YX"))
    with pytest.raises(ValueError, match="exists already"):
        write_labels(path, values((6, 7)) + 1, FileMetadata("YX"))
    np.testing.assert_array_equal(read_labels(path), values((6, 7)))
    write_labels(path, values((6, 7)) + 1, FileMetadata("YX"), overwrite=True)
    np.testing.assert_array_equal(read_labels(path), values((6, 7)) + 1)


@pytest.mark.parametrize(
    ("name", "labels", "sentence"),
    [
        ("a.png", values((2, 6, 7)), "do not fit a PNG"),
        ("a.png", values((6, 7), np.uint32) + 70_000, "do not fit a PNG"),
        ("a.tif", values((6, 7), np.int64) + 2**32, "too large"),
        ("a.tif", values((6, 7), np.int64) - 1, "0 or more"),
        ("a.tif", values((6, 7), float), "integers"),
        ("a.jpg", values((6, 7)), r"ending in \.tif"),
        ("none/a.tif", values((6, 7)), "no folder"),
    ],
)
def test_labels_that_do_not_fit_leave_no_file(tmp_path, name, labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        write_labels(tmp_path / name, labels, FileMetadata("ZYX"[-labels.ndim :]))
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    write_labels(path, values((6, 7)), FileMetadata("YX"))

    def fail(file, *_, **__):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_labels(path, values((6, 7)) + 1, FileMetadata("YX"), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npy"]
    np.testing.assert_array_equal(read_labels(path), values((6, 7)))


@pytest.mark.parametrize(("axes", "highest"), [("ZYX", 1), ("YX", 70_000)])
def test_the_output_is_checked_beforehand(tmp_path, axes, highest):
    with pytest.raises(ValueError, match="do not fit a PNG"):
        check_output_file(tmp_path / "a.png", axes=axes, highest=highest)
    check_output_file(tmp_path / "a.png", axes="YX", highest=255)
    check_output_file(tmp_path / "a.tif", axes=axes, highest=highest)


def test_probabilities_do_not_fit_a_png(tmp_path):
    with pytest.raises(ValueError, match=r"\.tif"):
        check_output_file(tmp_path / "a.png", probabilities=True)
