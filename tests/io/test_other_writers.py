"""Files of other programs whose pixels are easily misread: turned, in other colours, several."""

import struct
import zlib

import imageio.v3 as imageio
import nibabel
import numpy as np
import pytest
import tifffile
from napari.utils.io import imsave
from nibabel import Nifti1Image
from PIL import Image as Pictures
from PIL import ImageOps

from napari_segkit.io.files import read_image, read_labels

GREY = np.random.default_rng(0).integers(0, 256, (6, 9), np.uint8)


def turned(orientation):
    exif = Pictures.Exif()
    exif[274] = orientation
    return exif


@pytest.mark.parametrize("read", [read_image, read_labels])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_orientation_tag_turns_a_file_as_viewers_show_it(tmp_path, read, orientation):
    picture, tags = Pictures.fromarray(GREY), turned(orientation)
    picture.save(tmp_path / "a.png", exif=tags)
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, orientation, True)])
    with Pictures.open(tmp_path / "a.png") as shown:
        expected = np.array(ImageOps.exif_transpose(shown))
    for name in ("a.png", "a.tif"):
        with pytest.warns(UserWarning, match=f"{name} has the orientation tag {orientation}"):
            source = read(tmp_path / name)
        np.testing.assert_array_equal(getattr(source, "data", source), expected)


def test_a_photo_is_turned_with_its_colours(tmp_path):
    rgb = np.zeros((32, 48, 3), np.uint8)
    rgb[:16, :, 0] = 200
    Pictures.fromarray(rgb).save(tmp_path / "a.jpg", exif=turned(6))
    with pytest.warns(UserWarning, match="orientation tag 6"):
        image = read_image(tmp_path / "a.jpg")
    assert (image.shape, image.axes) == ((48, 32, 3), "YXC")
    assert abs(float(np.mean(image.data[:, 24:, 0])) - 200) < 3  # the upper rows are at the right


def test_pixel_sizes_turn_with_the_pixels(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        GREY,
        imagej=True,
        resolution=(4, 2),
        metadata={"unit": "um"},
        extratags=[(274, "H", 1, 8, True)],
    )
    with pytest.warns(UserWarning, match="orientation tag 8"):
        image = read_image(tmp_path / "a.tif")
    assert (image.shape, image.spacing) == ((9, 6), (1, 0.25, 0.5))


def test_an_unknown_orientation_is_upright(tmp_path):
    Pictures.fromarray(GREY).save(tmp_path / "a.png", exif=turned(1))
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, 9, True)])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(read_image(tmp_path / name).data, GREY)


COLOURS = np.random.default_rng(1).integers(0, 256, (6, 9, 3), np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_cmyk_becomes_rgb(tmp_path, dtype, planar):
    full = np.iinfo(dtype).max
    inks = np.random.default_rng(0).integers(0, full, (6, 9, 4), dtype, endpoint=True)
    expected = np.rint((1 - inks[..., :3] / full) * (1 - inks[..., 3:] / full) * full)
    pages = inks if planar == "contig" else np.moveaxis(inks, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="separated", planarconfig=planar)
    image = read_image(tmp_path / "a.tif")
    read = image.data if image.axes == "YXC" else np.moveaxis(image.data, 0, -1)
    assert read.dtype == dtype
    assert np.abs(read - expected).max() <= 1 + full // 2**16


def test_cmyk_of_pillow_is_as_pillow_shows_it(tmp_path):
    Pictures.fromarray(COLOURS).convert("CMYK").save(tmp_path / "a.tif")
    with Pictures.open(tmp_path / "a.tif") as picture:
        shown = np.array(picture.convert("RGB"), int)
    assert np.abs(read_image(tmp_path / "a.tif").data - shown).max() <= 1


def test_ycbcr_becomes_rgb(tmp_path):
    ycbcr = np.array(Pictures.fromarray(COLOURS).convert("YCbCr"))
    tifffile.imwrite(
        tmp_path / "a.tif",
        ycbcr,
        photometric="ycbcr",
        extratags=[(530, "H", 2, (1, 1), True)],
    )
    assert np.abs(read_image(tmp_path / "a.tif").data.astype(int) - COLOURS).max() <= 3


def test_a_palette_tiff_gives_colours_in_images_and_indices_in_labels(tmp_path):
    picture = Pictures.fromarray(GREY % 3, "P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    picture.save(tmp_path / "a.tif")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXC"
    np.testing.assert_array_equal(image.data, np.array(picture.convert("RGB")))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), GREY % 3)


@pytest.mark.parametrize("name", ["green", "random"])
def test_a_palette_of_imagej_only_displays_the_greys(tmp_path, name, recwarn):
    lut = np.zeros((3, 256), np.uint8)
    lut[1] = np.arange(256) if name == "green" else np.random.default_rng(0).permutation(256)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, imagej=True, colormap=(lut.astype(np.uint16) * 257))
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
    np.testing.assert_array_equal(read_image(path).data, GREY)
    said = [str(w.message) for w in recwarn if "has a palette of colours" in str(w.message)]
    assert bool(said) == (name == "random")  # higher values need not be brighter


@pytest.mark.parametrize("opaque", [True, False])
def test_a_fourth_channel_without_a_name_is_used_unless_it_is_opaque(tmp_path, opaque):
    path = tmp_path / "a.tif"
    pixels = np.dstack([GREY, GREY // 2, GREY // 3, np.full_like(GREY, 255) if opaque else GREY])
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unspecified"])
    image = read_image(path)
    assert image.channels == (3 if opaque else 4)
    np.testing.assert_array_equal(image.data, pixels[..., : image.channels])


def test_pages_of_other_palettes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for step in (1, 2):
            lut = np.tile(np.arange(256, dtype=np.uint16) * step, (3, 1))
            file.write(GREY, photometric="palette", colormap=lut, contiguous=False, metadata=None)
    with pytest.raises(ValueError, match=r"a\.tif cannot be read: its pages have no palette"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_greys_with_0_as_white_are_inverted(tmp_path, dtype):
    stored = GREY.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    expected = np.iinfo(dtype).max - stored
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, expected)
    with pytest.raises(ValueError, match=r"a\.tif cannot be read: its greys are stored with 0 as"):
        read_labels(tmp_path / "a.tif")


def test_colours_that_are_not_understood_are_refused(tmp_path):
    Pictures.fromarray(COLOURS).convert("RGB").convert("CMYK").save(tmp_path / "cmyk.tif")
    tifffile.imwrite(tmp_path / "lab.tif", COLOURS, photometric="cielab")
    with pytest.raises(ValueError, match=r"lab\.tif cannot be read: its colours are CIELAB"):
        read_image(tmp_path / "lab.tif")
    with pytest.raises(ValueError, match=r"cmyk\.tif cannot be read: its colours are SEPARATED"):
        read_labels(tmp_path / "cmyk.tif")


@pytest.mark.parametrize("reduced", [0, 1])
def test_the_full_image_of_a_file_is_read_and_not_a_thumbnail(tmp_path, reduced):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY[::3, ::3], subfiletype=reduced, metadata=None)
        file.write(GREY, metadata=None)
    sentence = r"a\.tif holds 2 images: number 2, of shape \(6, 9\), was read, .* \(2, 3\)\."
    with pytest.warns(UserWarning, match=sentence):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, GREY)
    with pytest.warns(UserWarning, match=sentence):
        np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), GREY)


def test_a_larger_page_that_is_marked_as_reduced_is_not_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((20, 20), np.uint8), subfiletype=1, metadata=None)
        file.write(GREY, metadata=None)
    with pytest.warns(UserWarning, match="number 2"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, GREY)


def test_the_first_of_equal_images_is_read_and_all_others_are_counted(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        for i in range(8):
            file.write(
                GREY + i,
                metadata={"axes": "YX", "PhysicalSizeX": 2.0 + i, "PhysicalSizeY": 2.0 + i},
            )
    with pytest.warns(UserWarning, match=r"holds 8 images: number 1, .* and 2 more\."):
        image = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.spacing == (1, 2, 2)


def test_the_pixel_size_is_that_of_the_image_that_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(GREY[:3], metadata={"axes": "YX", "PhysicalSizeX": 8.0, "PhysicalSizeY": 8.0})
        file.write(GREY, metadata={"axes": "YX", "PhysicalSizeX": 4.0, "PhysicalSizeY": 4.0})
    with pytest.warns(UserWarning, match="number 2"):
        assert read_image(tmp_path / "a.ome.tif").spacing == (1, 4, 4)


def test_the_levels_of_a_pyramid_are_one_image(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(GREY, subifds=1, metadata={"axes": "YX"})
        file.write(GREY[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").data, GREY)


def test_further_frames_of_a_picture_are_said(tmp_path):
    frames = [Pictures.fromarray(GREY + i) for i in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"a\.png holds 3 pictures: the first was read"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, GREY)


def save_deep_png(path, pixels):
    """Write a PNG of 16 bits with 2 (grey and alpha), 3 or 4 samples, as OpenCV does."""
    height, width, samples = pixels.shape
    kind = {2: 4, 3: 2, 4: 6}[samples]
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_ids_of_16_bits_are_kept_in_colour_and_with_alpha(tmp_path, samples):
    ids = np.random.default_rng(0).integers(0, 2**16, (6, 9), np.uint16)
    pixels = np.repeat(ids[..., None], samples, axis=-1)
    if samples != 3:
        pixels[..., -1] = 2**16 - 1
    save_deep_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), ids)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_images_of_16_bits_are_kept_in_colour_and_with_alpha(tmp_path, samples):
    pixels = np.random.default_rng(0).integers(0, 2**12, (6, 9, samples), np.uint16)
    save_deep_png(tmp_path / "a.png", pixels)
    image = read_image(tmp_path / "a.png")
    expected = pixels[..., 0] if samples == 2 else pixels[..., :3]
    np.testing.assert_array_equal(image.data, expected)


def test_colours_of_16_bits_are_no_labels(tmp_path):
    save_deep_png(tmp_path / "a.png", np.arange(24, dtype=np.uint16).reshape(2, 4, 3))
    with pytest.raises(ValueError, match=r"a\.png is a colour picture"):
        read_labels(tmp_path / "a.png")


MASK = (GREY % 4).astype(np.uint8)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_a_bilevel_tiff_mask_has_the_values_0_and_1(tmp_path, photometric):
    white = GREY > 99
    stored = white if photometric == "minisblack" else ~white
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, software="scanner")
    labels = read_labels(tmp_path / "a.tif")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, white)


@pytest.mark.parametrize("write", [tifffile.imwrite, imageio.imwrite, imsave])
def test_truth_values_that_python_saves_as_tiff_are_not_inverted(tmp_path, write):
    write(str(tmp_path / "a.tif"), GREY > 99)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), GREY > 99)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, (GREY > 99) * 255)


@pytest.mark.parametrize("highest", [1, 5, 200, 255, 1000, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5"])
def test_a_pgm_mask_of_any_range_has_the_values_that_are_stored(tmp_path, highest, kind):
    values = np.unique(np.linspace(0, highest, 12).astype(">u2"))[None]
    stored = values.astype(np.uint8) if highest < 256 else values
    pixels = " ".join(map(str, values[0])).encode() if kind == "P2" else stored.tobytes()
    header = f"{kind}\n{values.size} 1\n{highest}\n".encode()
    (tmp_path / "a.pgm").write_bytes(header + pixels)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.pgm"), values)
    scale = 255 / highest if highest < 256 else 1
    np.testing.assert_allclose(read_image(tmp_path / "a.pgm").data, values * scale, atol=0.5)


def test_a_ppm_of_few_bits_is_read_and_one_of_many_is_refused(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6\n2 1\n5\n" + bytes(range(6)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm").data.ravel(), np.arange(6) * 51)
    (tmp_path / "a.ppm").write_text("P3\n2 1\n1000\n0 1 2 3 4 1000\n")
    with pytest.raises(ValueError, match="more than 8 bits per colour"):
        read_image(tmp_path / "a.ppm")


def test_truth_values_have_the_values_0_and_1(tmp_path):
    np.save(tmp_path / "a.npy", GREY > 99)
    labels = read_labels(tmp_path / "a.npy")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, GREY > 99)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("factor", [1, 0.99999994])
def test_whole_floating_point_labels_are_rounded_to_integers(tmp_path, dtype, factor):
    stored = (MASK * factor).astype(dtype)
    np.save(tmp_path / "a.npy", stored)
    tifffile.imwrite(tmp_path / "a.tif", stored)
    nibabel.save(Nifti1Image(stored.astype(np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    for name in ("a.npy", "a.tif", "a.nii.gz"):
        labels = np.asarray(read_labels(tmp_path / name))
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels.T if ".nii" in name else labels, MASK)


def test_fractions_are_no_labels(tmp_path):
    np.save(tmp_path / "a.npy", MASK * 0.3)
    sentence = r"a\.npy: The labels .* fractions such as 0\.3, 0\.6, 0\.9, .* np\.rint"
    with pytest.raises(ValueError, match=sentence):
        read_labels(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.where(MASK == 1, np.nan, MASK))
    with pytest.raises(ValueError, match=r"NaN or infinite values, but .* replace them"):
        read_labels(tmp_path / "a.npy")
