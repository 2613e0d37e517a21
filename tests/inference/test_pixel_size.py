"""A pixel size unlike that of the training is said where images are not resampled."""

import warnings

import numpy as np
import pytest

from napari_segkit import ModelSpec, PredictConfig, Segmenter, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.steps import drain

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


def test_on_request_an_image_is_predicted_at_the_pixel_size_of_the_training():
    segmenter, ones = trained((0.5, 0.5)), np.ones((3, 2))
    finer = np.kron(IMAGE, ones)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps = segmenter.predict_tiles(
            finer, spacing=(0.5 / 3, 0.25), config=PredictConfig(resample=True)
        )
        result = drain(steps)
    assert result.labels.shape == finer.shape
    assert (result.labels == np.kron(MASK, ones)).mean() > 0.99
    assert result.provenance["resample"]


def test_thick_slices_are_brought_to_those_of_the_training():
    volume, mask = (np.repeat(a[None], 6, axis=0) for a in (IMAGE, MASK))
    spec = ModelSpec("pixels", dims="3D")
    config = TrainConfig(epochs=1, unlabelled=None)
    segmenter = Segmenter(spec, device="cpu").fit(volume, mask, config, spacing=(2.0, 0.5, 0.5))
    taller = np.kron(volume, np.ones((3, 1, 2)))
    labels = segmenter.predict(
        taller, spacing=(2.0 / 3, 0.5, 0.25), config=PredictConfig(resample=True)
    )
    assert labels.shape == taller.shape
    image = AxesImage(taller, "ZYX", (2.0 / 3, 0.5, 0.25))
    resampled = segmenter.trained.resample_image(image, resample=True)
    assert resampled.shape == volume.shape


@pytest.mark.parametrize(
    ("training", "image", "unknown"),
    [(None, (0.5, 0.5), "images of unknown"), ((0.5, 0.5), None, "size of image is unknown")],
)
def test_what_has_no_known_size_cannot_be_resampled(training, image, unknown):
    with pytest.raises(ValueError, match=unknown):
        trained(training).predict(IMAGE, spacing=image, config=PredictConfig(resample=True))
