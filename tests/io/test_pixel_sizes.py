"""Pixel sizes and their units: read from other programs' files, kept in the files written."""

import nibabel
import numpy as np
import pytest
import tifffile
from napari.layers import Image as ImageLayer
from nibabel import Nifti1Image

from napari_segkit.images.axes_image import as_image
from napari_segkit.images.units import pixel_size
from napari_segkit.io.files import read_image, write_labels
from napari_segkit.io.nifti.layers import write_image_layer
from napari_segkit.io.writers import FileMetadata

STACK = np.random.default_rng(0).integers(0, 9, (3, 6, 7), np.uint8)
UM = "\u00b5m"


def size_of(path):
    image = read_image(path)
    return image.spacing, image.unit


def ome(path, data=STACK, axes="ZYX", **metadata):
    tifffile.imwrite(path, data, ome=True, metadata={"axes": axes, **metadata})
    return path


def ome_sizes(z, y, x):
    pairs = zip("ZYX", (z, y, x), strict=True)
    return {f"PhysicalSize{a}{end}": v for a, pair in pairs
            for end, v in zip(("", "Unit"), pair, strict=False) if v}  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (((250, "nm"), (250, "nm"), (250, "nm")), ((250, 250, 250), "nm")),
        (((2, UM), (250, "nm"), (250, "nm")), ((2, 0.25, 0.25), "um")),
        (((2,), (0.5,), (0.25,)), ((2, 0.5, 0.25), "um")),
        (((0.002, "mm"), (500, "nm"), (5000, "\u00c5")), ((2, 0.5, 0.5), "um")),
        (((1, "in"), (1, "in"), (1, "in")), ((25.4, 25.4, 25.4), "mm")),
        (((2, "pixel"), (2, "pixel"), (2, "pixel")), ((2, 2, 2), "")),
        (((2, "reference frame"),) * 3, ((2, 2, 2), "")),
    ],
)
def test_sizes_of_ome_have_one_unit(tmp_path, sizes, expected):
    assert size_of(ome(tmp_path / "a.ome.tif", **ome_sizes(*sizes))) == expected


def test_broken_metadata_of_ome_give_no_size(tmp_path):
    xml = '<?xml version="1.0"?><OME><Image Name="a & b"><Pixels PhysicalSizeX="2"/></Image></OME>'
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK[0], description=xml, metadata=None)
    assert size_of(tmp_path / "a.ome.tif") == ((1, 1, 1), "")


def test_a_stack_without_a_size_along_z_says_so(tmp_path):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    with pytest.warns(UserWarning, match=r"a.ome.tif .* none along Z: 1 um is taken"):
        assert size_of(ome(tmp_path / "a.ome.tif", **sizes)) == ((1, 0.5, 0.25), "um")
    assert size_of(ome(tmp_path / "b.ome.tif", STACK[0], "YX", **sizes))[0] == (1, 0.5, 0.25)


def test_a_plane_with_a_size_along_one_axis_only_says_so(tmp_path):
    ome(tmp_path / "a.ome.tif", STACK[0], "YX", PhysicalSizeX=0.25)
    with pytest.warns(UserWarning, match="a pixel size along X, but none along Y: 1 um is taken"):
        assert size_of(tmp_path / "a.ome.tif") == ((1, 1, 0.25), "um")


def test_ome_without_sizes_is_unknown(tmp_path):
    assert size_of(ome(tmp_path / "a.ome.tif")) == ((1, 1, 1), "")


@pytest.mark.parametrize(
    ("unit", "factor", "expected"),
    [
        ("um", 1, "um"),
        ("micron", 1, "um"),
        ("\\u00B5m", 1, "um"),
        ("nm", 1, "nm"),
        ("cm", 1, "cm"),
        ("inch", 25.4, "mm"),
        ("parsecs of mine", 1, ""),
    ],
)
def test_the_unit_of_imagej(tmp_path, unit, factor, expected):
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": unit}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(4, 2), metadata=metadata)
    spacing, read = size_of(path)
    assert read == expected
    assert spacing == pytest.approx((2 * factor, 0.5 * factor, 0.25 * factor))


@pytest.mark.parametrize(("dots", "unit"), [(72, "inch"), (300, "inch"), (28.35, "cm"), (5, "")])
def test_dots_per_inch_that_imagej_takes_for_a_calibration_are_unknown(tmp_path, dots, unit):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], imagej=True, resolution=(dots, dots), metadata={"unit": unit})
    assert size_of(path) == ((1, 1, 1), "")


def test_units_of_imagej_that_differ(tmp_path):
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": "nm", "zunit": "um"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(0.004, 0.004), metadata=metadata)
    assert size_of(path) == ((2, 0.25, 0.25), "um")


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((40000, 20000), "CENTIMETER", ((1, 0.5, 0.25), "um")),
        ((50800, 50800), "INCH", ((1, 0.5, 0.5), "um")),
        ((254, 254), "INCH", ((1, 100, 100), "um")),
        ((40000, 20000), "NONE", ((1, 1, 1), "")),
        ((300, 300), "INCH", ((1, 1, 1), "")),
        ((72, 72), "INCH", ((1, 1, 1), "")),
        ((28, 28), "CENTIMETER", ((1, 1, 1), "")),
        ((118.11, 118.11), "CENTIMETER", ((1, 1, 1), "")),
        ((1, 1), "INCH", ((1, 1, 1), "")),
        ((4, 4), "INCH", ((1, 1, 1), "")),
    ],
)
def test_resolution_tags_give_a_size_unless_programs_write_them_by_default(
    tmp_path, resolution, unit, expected
):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], resolution=resolution, resolutionunit=unit)
    assert size_of(path) == expected


def test_the_unit_of_a_napari_layer():
    layer = ImageLayer(STACK, scale=(2, 250, 250), units=("um", "nm", "nm"))
    image = as_image(layer)
    assert (image.spacing, image.unit) == ((2, 0.25, 0.25), "um")
    assert as_image(ImageLayer(STACK, scale=(2, 3, 3))).unit == ""
    movie = ImageLayer(STACK, units=("s", "nm", "nm"), axis_labels=("t", "y", "x"))
    assert as_image(movie).unit == "nm"
    assert as_image(ImageLayer(STACK[..., :3], rgb=True, units=("mm", "mm"))).unit == "mm"


@pytest.mark.parametrize("unit", ["nm", "um", "mm", "m", ""])
@pytest.mark.parametrize(("axes", "count"), [("ZYX", 3), ("YX", 2), ("YXZ", 3)])
def test_tiff_keeps_the_unit_and_tells_other_programs(tmp_path, unit, axes, count):
    labels = np.moveaxis(STACK, 0, -1) if axes == "YXZ" else STACK[-1] if count == 2 else STACK
    spacing = (2.0, 0.5, 0.25) if count == 3 else (1.0, 0.5, 0.25)
    path = tmp_path / "a.tif"
    write_labels(path, labels, FileMetadata(axes, spacing, unit=unit))
    assert size_of(path) == (spacing, unit)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].resolutionunit == (3 if unit else 1)
        if unit:
            per_metre = {"nm": 1e9, "um": 1e6, "mm": 1e3, "m": 1}[unit]
            assert file.pages[0].get_resolution(scale=100) == pytest.approx(
                (per_metre / 0.25, per_metre / 0.5)
            )
        if axes != "YXZ":
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
            shown = {"um": UM, "": "pixel"}.get(unit, unit)
            assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.25, shown)


@pytest.mark.parametrize(
    ("unit", "spacing", "stored", "sizes"),
    [
        ("nm", (2000, 500, 250), "micron", (0.25, 0.5, 2)),
        ("um", (2, 0.5, 0.25), "micron", (0.25, 0.5, 2)),
        ("mm", (2, 0.5, 0.25), "mm", (0.25, 0.5, 2)),
        ("m", (2, 0.5, 0.25), "meter", (0.25, 0.5, 2)),
        ("", (2, 0.5, 0.25), "unknown", (0.25, 0.5, 2)),
    ],
)
def test_tiff_to_nifti_and_back(tmp_path, unit, spacing, stored, sizes):
    path = tmp_path / "a.nii.gz"
    write_labels(path, STACK, FileMetadata("ZYX", spacing, unit=unit))
    header = nibabel.load(path).header
    assert header.get_xyzt_units()[0] == stored
    assert header.get_zooms() == pytest.approx(sizes)
    image = read_image(path)
    write_labels(tmp_path / "b.tif", STACK, FileMetadata("ZYX", image.spacing, unit=image.unit))
    read, own = size_of(tmp_path / "b.tif"), (spacing, unit or "mm")  # as NIfTI is understood
    factor = {"nm": 1000}.get(unit, 1)
    assert read[0] == pytest.approx(np.divide(own[0], factor))
    assert read[1] == ("um" if unit == "nm" else own[1])


def test_a_layer_in_nanometres_or_mixed_units_is_saved_in_micrometres(tmp_path):
    meta = {"scale": (2, 250, 250), "units": ("micrometer", "nanometer", "nanometer")}
    write_image_layer(str(tmp_path / "a.nii"), STACK, meta | {"translate": (1, 500, 0)})
    image = nibabel.load(tmp_path / "a.nii")
    assert image.header.get_xyzt_units()[0] == "micron"
    np.testing.assert_allclose(image.affine[:3, 3], [0, 0.5, 1], atol=1e-6)
    assert size_of(tmp_path / "a.nii") == (pytest.approx((2, 0.25, 0.25)), "um")


def test_the_unit_of_nifti(tmp_path):
    for unit, expected in (("micron", "um"), ("mm", "mm"), ("meter", "m"), ("unknown", "mm")):
        image = Nifti1Image(STACK, np.diag([0.5, 0.5, 2, 1]))
        image.header.set_xyzt_units(unit)
        nibabel.save(image, tmp_path / "a.nii")
        assert read_image(tmp_path / "a.nii").unit == expected


def test_names_of_one_unit():
    names = ["um", UM, "\u03bcm", "micron", "Microns", "micrometer", "micrometres", " um "]
    assert {pixel_size((1, 1, 1), (n,) * 3).unit for n in names} == {"um"}
    assert pixel_size((1, 1, 1), ("Mm",) * 3).unit == ""  # megametres


def lsm_info(shape, voxel):
    """The tag of a file of Zeiss's confocal microscopes."""
    info = np.zeros(1, tifffile.TIFF.CZ_LSMINFO)
    info["MagicNumber"], info["StructureSize"] = 67127628, info.dtype.itemsize
    for axis, length, size in zip("ZYX", shape, voxel, strict=True):
        info[f"Dimension{axis}"], info[f"VoxelSize{axis}"] = length, size
    info["DimensionChannels"] = info["DimensionTime"] = 1
    return (34412, "B", info.nbytes, info.tobytes(), True)


def test_a_confocal_stack_has_the_size_of_its_voxels_in_metres(tmp_path):
    path, info = tmp_path / "a.lsm", lsm_info(STACK.shape, (2e-6, 0.5e-6, 0.25e-6))
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for i, page in enumerate(STACK):
            file.write(page, extratags=[info] * (i == 0), metadata=None, photometric="minisblack")
            file.write(page[::3, ::3], subfiletype=1, metadata=None, photometric="minisblack")
    with pytest.warns(UserWarning, match="holds 2 images: number 1"):
        image = read_image(path)
    assert (image.axes, image.spacing, image.unit) == ("ZYX", (2, 0.5, 0.25), "um")
    np.testing.assert_array_equal(image.data, STACK)


def test_a_slide_has_micrometres_per_pixel(tmp_path):
    path, rgb = tmp_path / "a.svs", np.zeros((48, 64, 3), np.uint8)
    with tifffile.TiffWriter(path) as file:
        text = "Aperio Image Library v12\r\n64x48 (16x16) JPEG|AppMag = 40|MPP = 0.2525"
        file.write(rgb, tile=(16, 16), description=text, metadata=None)
        file.write(rgb[::4, ::4], description="Aperio", metadata=None)
    with pytest.warns(UserWarning, match="holds 2 images"):
        assert size_of(path) == ((1, 0.2525, 0.2525), "um")


@pytest.mark.parametrize("ending", ["btf", "tf8", "ndpi", "scn", "qptiff", "ptif", "bif"])
def test_other_endings_of_tiff_with_resolution_tags(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    options = {"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, STACK[0], bigtiff=True, metadata=None, **options)
    assert size_of(path) == ((1, 0.25, 0.25), "um")
    assert read_image(path).axes == "YX"


def text_tag(number, text):
    return (number, "s", 0, text, True)


def test_electron_microscopes_and_screens(tmp_path):
    zeiss = "0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 2.5 nm\r\n"
    fei = "[Scan]\r\nPixelWidth=2.5e-09\r\nPixelHeight=5e-09\r\n"
    ids = "".join(
        f'<prop id="spatial-calibration-{key}" type="{kind}" value="{value}"/>'
        for key, kind, value in (
            ("state", "bool", "on"),
            ("x", "float", "0.65"),
            ("y", "float", "0.65"),
            ("units", "string", "um"),
        )
    )
    screen = f"<MetaData><PlaneInfo>{ids}</PlaneInfo></MetaData>"
    for options, expected in (
        ({"extratags": [text_tag(34118, zeiss)]}, ((1, 2.5, 2.5), "nm")),
        ({"extratags": [text_tag(34682, fei)]}, ((1, 0.005, 0.0025), "um")),
        ({"description": screen, "software": "MetaSeries"}, ((1, 0.65, 0.65), "um")),
    ):
        tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None, **options)
        assert size_of(tmp_path / "a.tif") == expected
