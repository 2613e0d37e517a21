"""Whole images in one size, read plane by plane."""

import dask.array as da
import numpy as np
import pytest

from napari_segkit.images.array_cache import ArrayCache
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.resample import resample_pairs
from napari_segkit.images.resize import resize_planes, resized

WHOLE = [slice(0, 24), slice(0, 40)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_slope_stays_a_slope(dtype):
    """The centres of larger pixels lie between those of the smaller ones."""
    x = np.broadcast_to(4 * np.arange(80), (48, 80)).astype(dtype)
    smaller = resize_planes(x[None], (24, 40))
    assert smaller.dtype == dtype
    expected = 8 * np.arange(40) + 2.0
    values = expected.astype(np.uint8) if dtype == np.uint8 else expected  # 255 is passed
    np.testing.assert_allclose(smaller[0, 3, 1:30].astype(float), values[1:30], atol=1)


def test_any_order_of_axes_gives_the_same_planes():
    stack = np.random.default_rng(0).random((3, 2, 30, 50)).astype(np.float32)  # T C Y X
    image, moved = AxesImage(stack, "TCYX"), AxesImage(stack.transpose(2, 3, 1, 0), "YXCT")
    for frame in image.frames(2):
        planes = resized(image, (24, 40)).read(frame, WHOLE)
        np.testing.assert_array_equal(planes, resize_planes(stack[frame["T"]], (24, 40)))
        np.testing.assert_array_equal(planes, resized(moved, (24, 40)).read(frame, WHOLE))


def test_a_lazy_series_is_read_one_plane_at_a_time():
    read = []

    def plane(block_info=None):
        read.append(block_info[None]["chunk-location"])
        return np.ones((1, 60, 80), np.uint8)

    series = da.map_blocks(plane, chunks=((1,) * 5, (60,), (80,)), dtype=np.uint8)
    image = resized(AxesImage(series, "TYX", (1.0, 2.0, 2.0)), (24, 40))
    read.clear()
    assert image.read({"T": 3}, [slice(2, 5), slice(0, 40)]).shape == (1, 3, 40)
    assert read == [(3, 0, 0)]
    assert image.spacing == (1.0, 5.0, 4.0)


def test_labels_go_with_their_images_and_thin_strokes_are_kept():
    labels = np.zeros((60, 80), np.uint8)
    labels[:, 41] = 1
    image = AxesImage(np.zeros((60, 80, 3), np.uint8), "YXC")
    (small,), (resized,) = resample_pairs(
        [image], [labels], None, 2, unlabelled=0, resize=(30, 20), cache=ArrayCache()
    )
    values = np.asarray(resized)
    assert small.label_shape == values.shape == (30, 20)
    assert (values[:, 10] == 1).all()
    assert not np.delete(values, 10, axis=1).any()
