"""A pixel size unlike that of the training is said where images are not resampled."""

import warnings

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TrainConfig

MASK = np.zeros((32, 32), np.uint8)
MASK[8:20, 8:24] = 1
IMAGE = MASK * 50.0


def trained(spacing, **config):
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    config = TrainConfig(epochs=1, unlabelled=None, **config)
    return segmenter.fit(IMAGE, MASK, config, spacing=spacing)


def test_another_pixel_size_is_said_with_both_numbers():
    told = r"pixels of 0.8 x 0.8 \(Y x X\), but the model was trained on 0.5 x 0.5"
    with pytest.warns(UserWarning, match=told):
        trained((0.5, 0.5)).predict(IMAGE, spacing=(0.8, 0.8))


@pytest.mark.parametrize(
    ("training", "image"), [((0.5, 0.5), (0.6, 0.6)), ((0.5, 0.5), None), (None, (0.5, 0.5))]
)
def test_little_and_unknown_differences_are_not_said(training, image):
    segmenter = trained(training)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segmenter.predict(IMAGE, spacing=image)


def test_images_that_are_resampled_may_have_any_pixel_size():
    segmenter = trained((0.5, 0.5), voxel_size=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segmenter.predict(IMAGE, spacing=(0.8, 0.8))
