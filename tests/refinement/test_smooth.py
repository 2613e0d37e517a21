"""Inputs that `smooth` refuses, and its messages."""

import numpy as np
import pytest

from napari_segkit import CRFConfig, smooth

IMAGE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def uniform(classes=2, shape=(8, 8)):
    return np.full((classes, *shape), 1 / classes, np.float32)


def uniform_except(value, at=(0, 3, 3)):
    maps = uniform()
    maps[at] = value
    return maps


@pytest.mark.parametrize(
    ("maps", "image", "error", "said"),
    [
        (2 * uniform(), IMAGE, ValueError, "add up to one"),
        (uniform_except(np.nan), IMAGE, ValueError, "nan"),
        (uniform_except(-0.5), IMAGE, ValueError, "between -0.5 and"),
        (uniform_except(np.inf), IMAGE, ValueError, "inf"),
        (uniform(1), IMAGE, ValueError, "one class only"),
        (uniform(shape=(8, 9)), IMAGE, ValueError, r"of \(8, 9\) pixels, image has \(8, 8\)"),
        (uniform()[0], IMAGE, ValueError, "give \\(classes, Y, X\\)"),
        (np.zeros((2, 0, 8), np.float32), IMAGE, ValueError, "shape"),
        (np.zeros((2, 8, 8), int), IMAGE, TypeError, "soft_labels"),
        (uniform(), None, ValueError, "uses the image"),
    ],
)
def test_bad_input_is_refused(maps, image, error, said):
    with pytest.raises(error, match=said):
        smooth(maps, image)


def test_a_blank_image_shows_no_edges_and_nan_pixels_are_read_as_dark():
    with pytest.warns(UserWarning, match="Every pixel of image is the same"):
        smooth(uniform(), np.ones_like(IMAGE))
    holed = np.where(IMAGE.min() < IMAGE, IMAGE, np.nan)
    assert np.isfinite(smooth(uniform(), holed)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compatibility": np.eye(3)}, "2 x 2 numbers"),
        ({"compatibility": [[0, np.nan], [1, 0]]}, "2 x 2 numbers"),
        ({"axes": "ZYX"}, "axes='ZYX'"),
        ({"spacing": (0, 1)}, "positive"),
        ({"device": "cuda:77"}, "device is 'cuda:77'"),
    ],
)
def test_wrong_options_are_refused_before_any_work(options, said):
    with pytest.raises(ValueError, match=said):
        smooth(uniform(), IMAGE, CRFConfig(), **options)


def test_half_precision_probabilities():
    maps = np.random.default_rng(0).dirichlet([1, 1, 1], (8, 8)).transpose(2, 0, 1)
    found = smooth(maps.astype(np.float16), IMAGE)
    np.testing.assert_allclose(found.sum(0), 1, atol=1e-6)
    assert found.dtype == np.float32
