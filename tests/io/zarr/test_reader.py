"""Zarr folders that other programs write, as images, labels and layers of napari."""

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from napari_segkit.images.axes_image import full_resolution
from napari_segkit.io.file_geometry import file_geometry
from napari_segkit.io.files import read_image, read_labels
from napari_segkit.io.folders import pair_files, training_files
from napari_segkit.io.image_files import find_images
from napari_segkit.io.label_classes import read_classes
from napari_segkit.io.zarr.layers import get_reader

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 2**16, (2, 3, 40, 50)).astype(np.uint16)  # C Z Y X
MASK = RANDOM.integers(0, 3, (40, 50)).astype(np.uint8)
LABEL = {
    "colors": [{"label-value": 2, "rgba": [0, 128, 255, 255]}],
    "properties": [{"label-value": 1, "name": "cell"}, {"label-value": 2, "name": "nucleus"}],
}


def axes_of(letters, unit="micrometer"):
    kinds = {"t": "time", "c": "channel"}
    named = [{"name": a, "type": kinds.get(a, "space")} for a in letters]
    return [a | ({"unit": unit} if a["type"] == "space" else {}) for a in named]


def write(folder, levels, letters, scale, zarr_format=3, *, axes=None, **ome):
    """An image as OME describes it, the finest level with this scale."""
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    datasets = []
    for number, level in enumerate(levels):
        chunks = tuple(min(n, 16) for n in level.shape)
        group.create_array(str(number), data=level, chunks=chunks)
        steps = [s * levels[0].shape[i] / level.shape[i] for i, s in enumerate(scale)]
        place = {"type": "scale", "scale": steps}
        datasets.append({"path": str(number), "coordinateTransformations": [place]})
    described = {"axes": axes_of(letters) if axes is None else axes, "datasets": datasets}
    about = {"multiscales": [described], **ome}
    group.attrs.update(about if zarr_format == 2 else {"ome": {"version": "0.5", **about}})
    return folder


def write_inside(image, name, mask, letters="yx"):
    write(image / "labels" / name, [mask], letters, (1,) * mask.ndim, **{"image-label": LABEL})
    labels = zarr.open_group(image / "labels", mode="a")
    names = [*labels.attrs.get("ome", {}).get("labels", ()), name]
    labels.attrs["ome"] = {"version": "0.5", "labels": names}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_ome_zarr_image_keeps_axes_size_and_levels(tmp_path, zarr_format):
    levels = [PIXELS, PIXELS[:, :, ::2, ::2]]
    path = write(tmp_path / "a.ome.zarr", levels, "czyx", (1, 2, 0.5, 0.25), zarr_format)
    image = read_image(path)
    assert (image.axes, image.spacing, image.unit) == ("CZYX", (2, 0.5, 0.25), "um")
    np.testing.assert_array_equal(image.data, PIXELS)
    region = image.read({}, [slice(1, 2), slice(3, 9), slice(30, 50)])
    np.testing.assert_array_equal(region, PIXELS[:, 1:2, 3:9, 30:50])
    coarse = read_image(path, level=1)
    assert (coarse.shape, coarse.spacing) == ((2, 3, 20, 25), (2, 1, 0.5))
    assert file_geometry(path).spacing.tolist() == [2, 0.5, 0.25]
    (found,) = find_images(tmp_path)
    assert (found.stem, found.path) == ("a", path)


@pytest.mark.parametrize("axes", [[], ["t", "c", "z", "y", "x"]], ids=["0.2", "0.3"])
def test_axes_of_earlier_versions(tmp_path, axes):
    path = write(tmp_path / "a.zarr", [PIXELS[None]], "tczyx", (1,) * 5, 2, axes=axes)
    assert read_image(path).axes == "CZYX"


def test_axes_of_one_pixel_are_left_out(tmp_path):
    """Many programs write all of TCZYX."""
    path = write(tmp_path / "a.zarr", [PIXELS[None, :1, :1]], "tczyx", (1, 1, 3, 2, 2))
    write_inside(path, "cells", MASK[None, None, None], "tczyx")
    image = read_image(path)
    assert (image.axes, image.spacing) == ("YX", (3, 2, 2))
    np.testing.assert_array_equal(image.data, PIXELS[0, 0])
    np.testing.assert_array_equal(read_labels(path), MASK)
    np.testing.assert_array_equal(read_labels(path)[3:7, ::2], MASK[3:7, ::2])


def test_a_photograph_has_its_colours_last(tmp_path):
    colours = RANDOM.integers(0, 255, (3, 30, 40)).astype(np.uint8)
    channels = [{"color": c, "label": c} for c in ("FF0000", "00FF00", "0000FF")]
    path = write(tmp_path / "a.zarr", [colours], "cyx", (1, 1, 1), omero={"channels": channels})
    image = read_image(path)
    assert (image.axes, image.is_rgb) == ("YXC", True)
    np.testing.assert_array_equal(image.data, np.moveaxis(colours, 0, -1))
    np.testing.assert_array_equal(image.data[5, 3:9], colours[:, 5, 3:9].T)
    ((data, meta, kind),) = get_reader(path)(path)
    assert (kind, meta["rgb"], data.shape) == ("image", True, (30, 40, 3))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_arrays_and_pyramids(tmp_path, zarr_format):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[0], zarr_format=zarr_format)
    assert read_image(path).axes == "ZYX"
    np.testing.assert_array_equal(read_image(path).data, PIXELS[0])
    group = zarr.open_group(tmp_path / "b.zarr", mode="w", zarr_format=zarr_format)
    for name, step in (("s0", 1), ("s1", 2)):
        group.create_array(name, data=PIXELS[0, 0, ::step, ::step])
    assert read_image(tmp_path / "b.zarr", level=1).shape == (20, 25)
    assert read_image(tmp_path / "b.zarr" / "s0").shape == (40, 50)
    group.create_array("other", data=PIXELS)
    with pytest.raises(ValueError, match=r"holds the arrays .*give the path of one, such as"):
        read_image(tmp_path / "b.zarr")


def test_names_of_dimensions_are_axes(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS, dimension_names=["t", "c", "y", "x"])
    assert read_image(path).axes == "TCYX"


def test_an_image_in_a_zip_file(tmp_path):
    path = tmp_path / "a.zarr.zip"
    with ZipStore(path, mode="w") as store:
        zarr.create_array(store, data=PIXELS[0])
    np.testing.assert_array_equal(read_image(path).data, PIXELS[0])
    assert [file.stem for file in find_images(tmp_path)] == ["a"]


def test_labels_in_an_image_are_its_labels(tmp_path):
    path = write(tmp_path / "a.zarr", [PIXELS[:, 0]], "cyx", (1, 1, 1))
    write_inside(path, "cells", MASK)
    np.testing.assert_array_equal(read_labels(path), MASK)
    np.testing.assert_array_equal(read_labels(path / "labels" / "cells"), MASK)
    expected = {1: ("cell", "#4e79a7"), 2: ("nucleus", "#0080ff")}
    assert {c.value: (c.name, c.color) for c in read_classes(path)} == expected
    write_inside(path, "more", MASK)
    with pytest.raises(ValueError, match=r"holds the labels cells, more: give one .*labels/cells"):
        read_labels(path)


def test_images_are_paired_with_the_labels_in_them(tmp_path):
    for name in "ab":
        write_inside(write(tmp_path / f"{name}.zarr", [PIXELS[:, 0]], "cyx", (1, 1, 1)), "c", MASK)
    write(tmp_path / "d.zarr", [PIXELS[:, 0]], "cyx", (1, 1, 1))
    expected = [(f"{name}.zarr", f"{name}.zarr/labels/c") for name in "ab"]
    with pytest.warns(UserWarning, match=r"1 file without a partner .*d\.zarr"):
        pairs = training_files(tmp_path)
    assert [(p.image.name, p.labels.name) for p in pairs] == expected
    with pytest.warns(UserWarning, match="without a partner"):
        named = pair_files(tmp_path, tmp_path / "*.zarr" / "labels" / "c")
    assert [(image.name, labels.name) for image, labels in named] == expected
    write_inside(tmp_path / "a.zarr", "e", MASK)
    with pytest.raises(ValueError, match=r"a\.zarr holds the labels c, e: give one of them"):
        training_files(tmp_path)


def test_an_image_alone_is_read_as_labels(tmp_path):
    path = write(tmp_path / "mask.zarr", [MASK[None]], "cyx", (1, 1, 1))
    np.testing.assert_array_equal(read_labels(path), MASK)
    path = write(tmp_path / "image.zarr", [PIXELS[:, 0]], "cyx", (1, 1, 1))
    with pytest.raises(ValueError, match="has 2 channels, but labels need one value"):
        read_labels(path)


def test_several_images_and_plates_are_told(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.open_group(path, mode="w", attributes={"ome": {"bioformats2raw.layout": 3}})
    for series in "01":
        write(path / series, [PIXELS[0]], "zyx", (1, 1, 1))
    with pytest.warns(UserWarning, match=r"holds 2 images, of which .*0 is read: give .*a.zarr/1"):
        np.testing.assert_array_equal(read_image(path).data, PIXELS[0])
    plate = tmp_path / "plate.zarr"
    zarr.open_group(plate, mode="w", attributes={"ome": {"plate": {}}})
    zarr.open_group(plate / "A", mode="w")
    zarr.open_group(plate / "A" / "1", mode="w", attributes={"ome": {"well": {}}})
    write(plate / "A" / "1" / "0", [PIXELS[0]], "zyx", (1, 1, 1))
    sentence = r"plate .* give the path of one, such as .*plate.zarr/A/1/0"
    with pytest.raises(ValueError, match=sentence):
        read_image(plate)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_damaged_chunk_is_named(tmp_path, zarr_format):
    path = write(tmp_path / "a.zarr", [PIXELS[0, 0]], "yx", (1, 1), zarr_format)
    name = "c/1/2" if zarr_format == 3 else "1.2"
    chunk = path / "0" / name
    chunk.write_bytes(chunk.read_bytes()[:9])
    image = read_image(path)
    np.testing.assert_array_equal(image.data[:16], PIXELS[0, 0, :16])
    sentence = rf"a\.zarr/0/{name} cannot be read .*: copy the image again"
    with pytest.raises(OSError, match=sentence):
        np.asarray(image.data)
    with pytest.raises(OSError, match=rf"a\.zarr cannot be read at Y 0:40, X 0:50: .*{sentence}"):
        image.read({}, [slice(0, 40), slice(0, 50)])


def test_what_is_missing_is_told_before_the_work(tmp_path):
    path = write(tmp_path / "a.zarr", [PIXELS[0, 0]], "yx", (1, 1))
    (path / "0" / "zarr.json").unlink()
    with pytest.raises(ValueError, match="the array 0, which it lists, is not there: copy"):
        read_image(path)
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(ValueError, match=r"b\.zarr cannot be read: it holds no zarr.json"):
        read_image(tmp_path / "b.zarr")
    path = write(tmp_path / "c.zarr", [PIXELS[0, 0]], "yx", (1, 1), axes=axes_of(["y", "angle"]))
    with pytest.raises(ValueError, match="its axes are y, angle, for 2 dimensions, but only"):
        read_image(path)


def test_sizes_that_are_not_stored_or_impossible(tmp_path):
    path = write(tmp_path / "a.zarr", [PIXELS[0, 0]], "yx", (1,))  # no scale of two numbers
    assert (read_image(path).spacing, read_image(path).unit) == ((1, 1, 1), "")
    path = write(tmp_path / "b.zarr", [PIXELS[0, 0]], "yx", (0, 1))
    with pytest.raises(ValueError, match=r"b\.zarr .* its pixel size along Y is 0, but it must be"):
        read_image(path)
    path = write(
        tmp_path / "c.zarr", [PIXELS[0]], "tyx", (0, 5, 5), axes=axes_of("tyx", "angstrom")
    )
    ((_, meta, _),) = get_reader(path)(path)
    assert (meta["scale"], meta["units"]) == ([1, 0.5, 0.5], ("pixel", "nm", "nm"))


def test_levels_in_the_wrong_order_are_refused(tmp_path):
    path = write(tmp_path / "a.zarr", [PIXELS[0, :, ::2, ::2], PIXELS[0]], "zyx", (1, 1, 1))
    with pytest.raises(ValueError, match="its levels are not one image in ever fewer pixels"):
        read_image(path)


def test_truth_values_are_labels_that_are_read_lazily(tmp_path):
    labels = read_labels(write(tmp_path / "a.zarr", [MASK > 1], "yx", (1, 1)))
    assert not isinstance(labels, np.ndarray)
    np.testing.assert_array_equal(labels[3:9], MASK[3:9] > 1)
    assert labels.dtype == labels[3:9].dtype == np.uint8


@pytest.mark.parametrize("address", ["https://x.org/a.zarr", "s3://bucket/a.zarr"])
def test_an_address_is_no_path(address):
    for read in (read_image, find_images):
        with pytest.raises(ValueError, match=f"{address} is an address: copy the file"):
            read(address)


def test_layers_of_an_image_with_channels_and_labels(tmp_path):
    channels = [{"label": "DAPI", "color": "0000FF", "window": {"start": 3, "end": 90}}, {}]
    levels = [PIXELS, PIXELS[:, :, ::2, ::2]]
    path = write(
        tmp_path / "a.zarr", levels, "czyx", (1, 2, 0.5, 0.5), omero={"channels": channels}
    )
    write_inside(path, "cells", MASK)
    with pytest.warns(UserWarning, match="what is painted on it is stored there at once"):
        dapi, other, (labels, labels_meta, kind) = get_reader(path)(str(path))
    assert [meta["name"] for _, meta, _ in (dapi, other)] == ["a DAPI", "a 1"]
    data, meta, _ = dapi
    assert [level.shape for level in data] == [(3, 40, 50), (3, 20, 25)]
    np.testing.assert_array_equal(other[0][0][1, 5:7], PIXELS[1, 1, 5:7])
    assert (meta["scale"], meta["units"]) == ([2, 0.5, 0.5], ("um", "um", "um"))
    assert (meta["axis_labels"], meta["contrast_limits"]) == (("Z", "Y", "X"), (3, 90))
    assert (kind, labels_meta["name"]) == ("labels", "cells")
    assert labels_meta["features"]["name"] == ["cell", "nucleus"]
    labels[4:6, 7] = 2
    labels[(np.array([8, 9]), np.array([1, 2]))] = 1
    stored = np.asarray(full_resolution(read_labels(path)))
    assert (stored[4, 7], stored[5, 7], stored[8, 1], stored[9, 2]) == (2, 2, 1, 1)
