"""Greys of few bits and palettes of greys: shown like greys of 8 bits, but indices in masks."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from napari_segkit.io.files import read_image, read_labels

ROWS, WIDTH = 6, 16


def values_of(bits):
    return np.random.default_rng(0).integers(0, 2**bits, (ROWS, WIDTH), np.uint8)


def packed(values, bits):
    """Rows of values of few bits as bytes, the first pixel in the highest bits."""
    as_bits = np.unpackbits(values[..., None], axis=-1)[..., -bits:]
    return np.packbits(as_bits.reshape(len(values), -1), axis=-1)


def save_png(path, values, bits):
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", WIDTH, ROWS, bits, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + r.tobytes() for r in packed(values, bits)))),
        (b"IEND", b""),
    )
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def save_tiff(path, values, bits, white_is_0=False):
    pixels = packed(2**bits - 1 - values if white_is_0 else values, bits).tobytes()
    tags = [(256, WIDTH), (257, ROWS), (258, bits), (259, 1), (262, int(not white_is_0))]
    tags += [(273, 8), (277, 1), (278, ROWS), (279, len(pixels))]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    path.write_bytes(start + pixels + struct.pack("<H", len(tags)) + entries + bytes(4))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "inverted.tif"])
def test_greys_of_few_bits_have_the_range_of_8_in_images_only(tmp_path, bits, name):
    values, path = values_of(bits), tmp_path / name
    if name == "a.png":
        save_png(path, values, bits)
        np.testing.assert_array_equal(cv2.imread(str(path), 0), read_image(path).data)
    else:
        save_tiff(path, values, bits, white_is_0=name == "inverted.tif")
    image = read_image(path)
    np.testing.assert_array_equal(image.data, values * (255 // (2**bits - 1)))
    assert image.data.dtype == np.uint8
    if name != "inverted.tif" or bits == 1:
        np.testing.assert_array_equal(read_labels(path), values)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_palette_of_greys_is_grey_in_images_and_indices_in_masks(tmp_path, name):
    values = values_of(4)
    picture = Pictures.fromarray(values, "P")
    greys = np.random.default_rng(1).permutation(np.arange(0, 256, 16))
    picture.putpalette(np.repeat(greys, 3).tolist())
    picture.save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, greys[values])
    np.testing.assert_array_equal(read_labels(tmp_path / name), values)


def test_a_bilevel_png_of_opencv_is_a_mask_of_0_and_1(tmp_path):
    values = values_of(1)
    cv2.imwrite(str(tmp_path / "a.png"), values * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), values)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, values * 255)
