"""Pictures of images with labels over them."""

from typing import get_args

import numpy as np
import pytest

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.pictures import (
    Overlay,
    Style,
    draw_plane,
    grid,
    in_columns,
    overlay_of_classes,
    pictures_of,
)

RED = {1: "#ff0000"}
DTYPES = ["bool", "uint8", "int16", "uint16", "float32", "float64"]


def halves(dtype="uint8", shape=(64, 64)):
    """Dark on the left, bright on the right."""
    pixels = np.zeros(shape, dtype)
    pixels[..., shape[-1] // 2 :] = 1
    return pixels


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_dtype_is_stretched_to_its_full_range(dtype):
    (shown,) = pictures_of(AxesImage(halves(dtype), "YX"), [], size=64)
    assert shown.dtype == np.uint8
    assert (shown[:, :32] == 0).all()
    assert (shown[:, 32:] == 255).all()


def test_outliers_and_missing_pixels_do_not_darken_the_rest():
    pixels = halves("float32")
    pixels[0, :5] = 1e9, np.nan, np.inf, -np.inf, -1e9
    (shown,) = pictures_of(AxesImage(pixels, "YX"), [], size=64)
    assert (shown[1:, 32:] == 255).all()
    assert (shown[1:, :32] == 0).all()


def test_photographs_are_shown_as_they_are():
    pixels = np.random.default_rng(0).integers(90, 120, (40, 40, 3), np.uint8)
    (shown,) = pictures_of(AxesImage(pixels, "YXC"), [], size=40)
    np.testing.assert_array_equal(shown, pixels)


@pytest.mark.parametrize("value", [0, 100, np.nan])
@pytest.mark.parametrize("axes", ["YX", "CYX", "YXC"])
def test_blank_images_are_shown_too(value, axes):
    shape = {"C": 3, "Y": 20, "X": 10}
    pixels = np.full([shape[a] for a in axes], value, np.float32)
    (shown,) = pictures_of(AxesImage(pixels, axes), [], size=40)
    assert shown.shape == (40, 20, 3)


def test_channels_have_colours_of_their_own():
    pixels = np.stack([halves(), halves()[:, ::-1]])
    (shown,) = pictures_of(AxesImage(pixels, "CYX"), [], size=64)
    assert shown[0, 0].tolist() == [255, 0, 255]
    assert shown[0, -1].tolist() == [0, 255, 255]


def test_classes_are_areas_and_objects_contours():
    values = np.zeros((32, 32), np.int32)
    values[8:24, 8:24] = 1
    black = AxesImage(np.zeros((32, 32), np.uint8), "YX")
    alone, classes, objects = pictures_of(
        black, [Overlay(values, RED), Overlay(values, RED, "contours")], size=32
    )
    assert not alone.any()
    reds = [picture[..., 0] > 0 for picture in (classes, objects)]
    np.testing.assert_array_equal(reds[0], values > 0)
    assert reds[1].sum() == 4 * 15
    assert not classes[..., 1:].any()


def test_what_is_unlabelled_is_not_drawn():
    values = np.array([[-1, 0], [1, 255]])
    image = AxesImage(np.zeros((2, 2), np.uint8), "YX")
    (drawn,) = pictures_of(image, [Overlay(values, RED, unlabelled=255)], alone=False, size=2)
    assert (drawn.sum(-1) > 0).tolist() == [[False, False], [True, False]]


def test_of_a_volume_a_labelled_slice_is_shown():
    values = np.zeros((9, 16, 16), np.uint8)
    values[7, 4:8, 4:8] = 1
    volume = AxesImage(np.zeros((9, 16, 16), np.uint16), "ZYX")
    (drawn,) = pictures_of(volume, [Overlay(values, RED)], alone=False, size=16)
    assert (drawn[..., 0] > 0).sum() == 16
    middle = np.arange(9)[:, None, None] * halves("uint16", (9, 16, 16))
    (shown,) = pictures_of(AxesImage(middle, "ZYX"), [], size=16)
    assert shown.max() == 255


def test_of_a_huge_image_only_some_pixels_are_read():
    class Recorded:
        shape, ndim, dtype = (100_000, 50_000), 2, np.dtype("uint8")
        read = 0

        def __getitem__(self, index):
            lengths = [len(range(*s.indices(n))) for s, n in zip(index, self.shape, strict=True)]
            self.read += int(np.prod(lengths))
            return np.zeros(lengths, np.uint8)

    data = Recorded()
    (shown,) = pictures_of(AxesImage(data, "YX"), [])
    assert shown.shape == (256, 128, 3)
    assert data.read < 10**6


def test_a_grid_has_a_place_for_each_picture():
    pictures = [(f"{n}" * 100, np.full((20 + n, 30, 3), 10 * n, np.uint8)) for n in range(5)]
    shown = in_columns(pictures, 3)
    assert shown.shape[1] > 3 * 30
    for n in range(1, 5):
        assert (shown == 10 * n).all(-1).sum() >= (20 + n) * 30
    np.testing.assert_array_equal(shown, grid([pictures[:3], pictures[3:]]))


def test_at_full_resolution_every_pixel_is_drawn_in_the_plane_that_is_asked_for():
    values = np.zeros((2, 30, 40), np.int32)
    values[1, 5:15, 10:30] = 1
    volume = AxesImage(np.stack([halves("uint8", (30, 40))] * 2), "ZYX")
    drawn = {s: draw_plane(volume, Overlay(values, RED, s)) for s in get_args(Style)}
    reds = {s: np.ptp(picture[..., :3].astype(int), axis=-1) > 0 for s, picture in drawn.items()}
    np.testing.assert_array_equal(reds["colours"], values[1] > 0)
    assert reds["contours"].sum() == 2 * 20 + 2 * 8
    assert not reds["cutout"].any()
    np.testing.assert_array_equal(drawn["cutout"][..., 3] > 0, values[1] > 0)
    first = draw_plane(volume, Overlay(values, RED), {"Z": 0})
    assert not np.ptp(first, axis=-1).any()


def test_what_is_called_background_is_not_cut_out():
    classes = [LabelClass(1, "Background", "#00ff00"), LabelClass(2, "cell", "#ff0000")]
    values = np.array([[1, 2]])
    image = AxesImage(np.array([[3, 200]], np.uint8), "YX")
    alpha = draw_plane(image, overlay_of_classes(values, classes, "cutout"))[..., 3]
    assert alpha.tolist() == [[0, 255]]
    assert draw_plane(image, overlay_of_classes(values, classes, "colours"))[0, 0, 1] > 100
