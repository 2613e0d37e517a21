"""TIFF files as other programs compress them: every value is right."""

import sys

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from napari_segkit.io.files import read_image, read_labels

NUMBERS = np.random.default_rng(0)
GREY8 = NUMBERS.integers(0, 256, (40, 52), np.uint8)
GREY16 = NUMBERS.integers(0, 2**16, (40, 52), np.uint16)
FLOATS = NUMBERS.random((40, 52), np.float32)
RGB = NUMBERS.integers(0, 256, (40, 52, 3), np.uint8)
MASK = (GREY8 > 99).astype(np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[:160:4, :208:4], 90), axis=-1).astype(np.uint8)
LOSSLESS = ("lzw", "packbits", "zlib", "zstd", "lzma", "lerc", "png")
LAYOUTS = {
    "one strip": {"rowsperstrip": 40},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 32)},
    "big": {"bigtiff": True},
    "big endian": {"byteorder": ">"},
}


def expect(path, pixels, axes="YX"):
    image = read_image(path)
    assert (image.axes, image.data.dtype) == (axes, pixels.dtype)
    np.testing.assert_array_equal(image.data, pixels)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", LOSSLESS)
def test_greys_and_colours_without_loss(tmp_path, compression, layout):
    if layout == "big endian" and compression in ("lerc", "png"):
        pytest.skip("the writer has no such files")
    path, options = tmp_path / "a.tif", {"compression": compression, **LAYOUTS[layout]}
    arrays = [GREY8, GREY16, RGB, *([FLOATS] * (compression != "png"))]
    for pixels in arrays:
        tifffile.imwrite(path, pixels, **options)
        expect(path, pixels, "YXC"[: pixels.ndim])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "lzma"])
@pytest.mark.parametrize(("predictor", "pixels"), [(2, GREY8), (2, GREY16), (2, RGB), (3, FLOATS)])
def test_predictors(tmp_path, compression, predictor, pixels, layout):
    options = {"compression": compression, **LAYOUTS[layout]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, predictor=predictor, **options)
    expect(tmp_path / "a.tif", pixels, "YXC"[: pixels.ndim])


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd"])
def test_planes_of_colours_and_stacks(tmp_path, compression):
    planes, stack = np.moveaxis(RGB, -1, 0), np.stack([GREY16, GREY16[::-1]])
    path, options = tmp_path / "a.tif", {"compression": compression, "tile": (16, 16)}
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate", **options)
    expect(path, planes, "CYX")
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"}, **options)
    expect(path, stack, "ZYX")


@pytest.mark.parametrize("compression", ["jpeg2000", "webp", "jpegxr", "jpegxl"])
def test_lossless_codecs_of_pictures(tmp_path, compression):
    lossless = {"webp": {"lossless": True}, "jpegxl": {"lossless": True}, "jpegxr": {"level": 1.0}}
    tifffile.imwrite(
        tmp_path / "a.tif",
        RGB,
        compression=compression,
        compressionargs=lossless.get(compression, {}),
        photometric="rgb",
        tile=(32, 32),
    )
    expect(tmp_path / "a.tif", RGB, "YXC")


@pytest.mark.parametrize("layout", ["strips", "tiles"])
@pytest.mark.parametrize("sampling", [(1, 1), (2, 2), (2, 1)])
def test_jpeg_of_slides_gives_rgb_as_shown(tmp_path, sampling, layout):
    path = tmp_path / "a.tif"
    layout = {"rowsperstrip": 16} if layout == "strips" else LAYOUTS[layout]
    tifffile.imwrite(
        path,
        SMOOTH,
        photometric="rgb",
        subsampling=sampling,
        compression="jpeg",
        compressionargs={"level": 98},
        **layout,
    )
    image = read_image(path)
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].photometric == tifffile.PHOTOMETRIC.YCBCR
    with Pictures.open(path) as shown:
        assert np.abs(image.data - np.array(shown.convert("RGB"), int)).max() <= 2
    assert image.axes == "YXC"
    assert np.abs(image.data.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize("compression", ["jpeg2000", "png", "lerc", "zstd"])
def test_ycbcr_in_other_codecs_becomes_rgb(tmp_path, compression):
    ycbcr = np.array(Pictures.fromarray(SMOOTH).convert("YCbCr"))
    tifffile.imwrite(
        tmp_path / "a.tif", ycbcr, photometric="ycbcr", subsampling=(1, 1), compression=compression
    )
    assert np.abs(read_image(tmp_path / "a.tif").data.astype(int) - SMOOTH).max() <= 3


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "zstd"]
)
def test_pillow(tmp_path, compression):
    for pixels in (GREY8, RGB, GREY16, FLOATS):
        Pictures.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
        expect(tmp_path / "a.tif", pixels, "YXC"[: pixels.ndim])


def test_jpeg_of_pillow_gives_what_pillow_shows(tmp_path):
    Pictures.fromarray(SMOOTH).save(tmp_path / "a.tif", compression="jpeg")
    with Pictures.open(tmp_path / "a.tif") as shown:
        difference = read_image(tmp_path / "a.tif").data - np.array(shown, int)
    assert np.abs(difference).max() <= 3


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"])
def test_fax_and_other_masks_of_one_bit(tmp_path, compression):
    Pictures.fromarray(MASK * 255).convert("1").save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_labels(tmp_path / "a.tif"), MASK)


@pytest.mark.parametrize("pixels", [GREY8, GREY16, FLOATS, RGB])
def test_opencv(tmp_path, pixels):
    path = str(tmp_path / "a.tif")
    for scheme in (None, 1, 5, 8, 32773, 32946):
        flags = [] if scheme is None else [cv2.IMWRITE_TIFF_COMPRESSION, scheme]
        cv2.imwrite(path, pixels[..., ::-1] if pixels.ndim == 3 else pixels, flags)
        expect(path, pixels, "YXC"[: pixels.ndim])


def test_opencv_stacks(tmp_path):
    cv2.imwritemulti(str(tmp_path / "a.tif"), [GREY8, GREY8[::-1]])
    expect(tmp_path / "a.tif", np.stack([GREY8, GREY8[::-1]]), "ZYX")


@pytest.mark.parametrize("compression", ["zstd", "lzw", "jpeg2000"])
def test_a_missing_codec_is_named_with_what_to_install(tmp_path, monkeypatch, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY8, compression=compression)
    monkeypatch.setattr(tifffile.TIFF.DECOMPRESSORS, "_codecs", {})
    monkeypatch.setattr(tifffile.tifffile, "imagecodecs", object())
    monkeypatch.setitem(sys.modules, "_imagecodecs", None)
    monkeypatch.setitem(sys.modules, "tifffile._imagecodecs", None)
    message = rf"a.tif .* {compression.upper()} .*pip install --upgrade imagecodecs\.$"
    with pytest.raises(ValueError, match=message):
        read_image(path)


def test_a_codec_that_python_lacks_is_named(tmp_path, monkeypatch):
    def decode(*args, **options):
        raise ModuleNotFoundError("No module named 'compression'")

    tifffile.imwrite(tmp_path / "a.tif", GREY8, compression="zstd")
    monkeypatch.setattr(tifffile.TIFF.DECOMPRESSORS, "_codecs", {50000: decode})
    with pytest.raises(ValueError, match="ZSTD needs a codec"):
        read_image(tmp_path / "a.tif")
