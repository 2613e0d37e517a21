"""TIFF files of several images, and images of several files."""

import warnings

import numpy as np
import pytest
import tifffile

from napari_segkit.io.files import read_image

STACK = np.arange(4 * 20 * 30, dtype=np.uint16).reshape(4, 20, 30)
RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture(autouse=True)
def every_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # pytest.warns still sees expected ones
        yield


def ome_xml(uuid, *images):
    content = "".join(
        f'<Image ID="Image:{i}" Name="{name}"><Pixels ID="Pixels:{i}" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="30" SizeY="20" SizeZ="1" SizeC="1" SizeT="{len(planes)}" '
        f'PhysicalSizeX="{size}" PhysicalSizeY="{size}"><Channel ID="Channel:{i}:0" '
        f'SamplesPerPixel="1"/>{"".join(planes)}</Pixels></Image>'
        for i, (name, size, planes) in enumerate(images)
    )
    space = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    start = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{start}<OME xmlns="{space}" UUID="urn:uuid:{uuid}">{content}</OME>'


def plane(file, time=0):
    uuid = f'<UUID FileName="{file}">urn:uuid:{file}</UUID>'
    return f'<TiffData IFD="0" FirstT="{time}" PlaneCount="1">{uuid}</TiffData>'


@pytest.fixture
def time_series(tmp_path):
    """An image of OME with a file for each of four time points."""
    files = [tmp_path / f"t{i}.ome.tif" for i in range(4)]
    planes = [plane(file.name, i) for i, file in enumerate(files)]
    for file, page in zip(files, STACK, strict=True):
        xml = ome_xml(file.name, ("movie", 0.5, planes))
        tifffile.imwrite(file, page, description=xml, metadata=None)
    return files


def test_an_image_of_several_files_is_read_whole(time_series):
    with pytest.warns(UserWarning, match=r"t2.ome.tif is one of 4 files of one image, .* whole"):
        image = read_image(time_series[2])
    assert (image.axes, image.spacing, image.unit) == ("TYX", (1, 0.5, 0.5), "um")
    np.testing.assert_array_equal(image.data, STACK)


def test_missing_files_of_an_image_are_named(time_series):
    time_series[1].unlink()
    with pytest.raises(ValueError, match=r"t0.ome.tif .*t1.ome.tif is missing"):
        read_image(time_series[0])
    time_series[3].unlink()
    with pytest.raises(ValueError, match=r"one of 4 files .*t1.ome.tif, t3.ome.tif are missing"):
        read_image(time_series[2])


def test_missing_planes_are_said(tmp_path):
    planes = ['<TiffData IFD="0" PlaneCount="4"/>', "", "", "", "", ""]
    xml = ome_xml("a", ("short", 0.5, planes))
    options = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK, description=xml, **options)
    with pytest.warns(UserWarning, match=r"a.ome.tif lacks 2 of the 6 planes"):
        assert read_image(tmp_path / "a.ome.tif").shape == (6, 20, 30)


def test_a_file_gives_its_own_image_though_its_metadata_tell_of_others(tmp_path):
    files = [tmp_path / f"p{i}.ome.tif" for i in range(3)]
    images = [(f"Pos{i}", i + 1, [plane(file.name)]) for i, file in enumerate(files)]
    for file, page in zip(files, STACK, strict=False):
        description = ome_xml(file.name, *images)
        tifffile.imwrite(file, page, description=description, metadata=None)
    for i, file in enumerate(files):
        image = read_image(file)
        np.testing.assert_array_equal(image.data, STACK[i])
        assert image.spacing == (1, i + 1, i + 1)


def test_a_file_described_by_another_says_so(tmp_path):
    space = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{space}" UUID="urn:uuid:b">'
        '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:a"/></OME>'
    )
    tifffile.imwrite(tmp_path / "b.ome.tif", STACK[0], description=xml, metadata=None)
    with pytest.warns(UserWarning, match=r"b.ome.tif is a part .* all.companion.ome describes"):
        np.testing.assert_array_equal(read_image(tmp_path / "b.ome.tif").data, STACK[0])


def test_the_full_image_of_ome_has_its_own_pixel_size_and_the_others_are_named(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        sizes = {"PhysicalSizeX": 9.0, "PhysicalSizeY": 9.0}
        file.write(STACK[0, ::2, ::2], metadata={"axes": "YX", "Name": "overview", **sizes})
        sizes = {"PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5}
        file.write(STACK[0], metadata={"axes": "YX", "Name": "cells", **sizes})
    with pytest.warns(UserWarning, match=r"number 2, .*\(cells\).* not .*\(10, 15\) \(overview\)"):
        image = read_image(path)
    assert (image.spacing, image.unit) == ((1, 0.5, 0.25), "um")
    np.testing.assert_array_equal(image.data, STACK[0])


def test_levels_of_a_pyramid_are_the_same_image(tmp_path):
    path, options = tmp_path / "a.ome.tif", {"tile": (16, 16), "photometric": "minisblack"}
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as file:
        sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
        file.write(STACK, subifds=2, metadata={"axes": "CYX", **sizes}, **options)
        for step in (2, 4):
            file.write(STACK[:, ::step, ::step], subfiletype=1, **options)
    image = read_image(path)
    assert (image.axes, image.spacing) == ("CYX", (1, 0.25, 0.25))
    np.testing.assert_array_equal(image.data, STACK)


@pytest.mark.parametrize(("axes", "read"), [("YXS", "YXC"), ("ZYXS", "ZYXC"), ("TZYXS", "TZYXC")])
def test_samples_of_ome_are_channels(tmp_path, axes, read):
    data = np.broadcast_to(RGB, (2, 3, 20, 30, 3)[5 - len(axes) :]).copy()
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, photometric="rgb", metadata={"axes": axes})
    image = read_image(path)
    assert image.axes == read
    np.testing.assert_array_equal(image.data, data)


def test_planes_of_samples_are_channels(tmp_path):
    options = {"photometric": "rgb", "planarconfig": "separate", "metadata": {"axes": "SYX"}}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.moveaxis(RGB, -1, 0), **options)
    image = read_image(tmp_path / "a.ome.tif")
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, np.moveaxis(RGB, -1, 0))


def test_channels_of_colours_are_so_many_channels(tmp_path):
    data = np.stack([RGB, 255 - RGB])
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, photometric="rgb", metadata={"axes": "CYXS"})
    with pytest.warns(UserWarning, match="2 channels of 3 colours each.* as 6 channels"):
        image = read_image(path)
    assert image.axes == "CYX"
    np.testing.assert_array_equal(image.data, np.moveaxis(data, -1, 1).reshape(6, 20, 30))


@pytest.mark.parametrize("options", [{"metadata": None}, {"ome": True}, {"imagej": True}])
def test_a_stack_that_is_cut_off_says_so(tmp_path, options):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", rowsperstrip=5, **options)
    path.write_bytes(path.read_bytes()[: 3 * path.stat().st_size // 5])
    with pytest.warns(UserWarning, match="a.tif seems to be cut off or damaged"):
        assert read_image(path).shape == (20, 30)
