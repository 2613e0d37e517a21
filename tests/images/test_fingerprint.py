import dask.array as da
import numpy as np
import pytest

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.fingerprint import fingerprint

PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 300, 280), np.uint16)


def of(pixels, axes="ZCYX"):
    return fingerprint(AxesImage(pixels, axes))


def test_one_image_has_one_fingerprint_however_it_is_held():
    one = of(PIXELS)
    assert of(da.from_array(PIXELS, chunks=(1, 3, 64, 64))) == one
    assert of(np.moveaxis(PIXELS, 1, -1), "ZYXC") == one
    assert of(PIXELS.astype(">u2")) == one
    assert of(PIXELS[0, 0], "YX") == of(PIXELS[0, :1], "CYX")


@pytest.mark.parametrize("where", [(0, 0, 0, 0), (1, 2, 299, 279), (0, 1, 150, 270)])
def test_another_pixel_is_another_image(where):
    other = PIXELS.copy()
    other[where] += 1
    assert of(other) != of(PIXELS)


def test_another_dtype_or_shape_is_another_image():
    zeros = np.zeros((8, 6), np.uint8)
    assert len({of(z, "YX") for z in (zeros, zeros.T, zeros.astype(np.int16))}) == 3
    assert of(zeros.astype(bool), "YX") == of(zeros, "YX")


def test_few_tiles_of_a_huge_image_are_read():
    read = set()

    def block(block_info):
        read.add(tuple(block_info[None]["chunk-location"]))
        return np.zeros((256, 256), np.uint8)

    of(da.map_blocks(block, chunks=((256,) * 100,) * 2, dtype=np.uint8, meta=PIXELS[:0]), "YX")
    assert 1 < len(read) <= 16
