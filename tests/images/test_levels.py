"""Levels of multiscale images: in Python, of layers, and under labels and regions."""

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_segkit import ModelSpec, PredictConfig, Segmenter, TrainConfig
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.regions import as_region

FINE = np.kron(np.arange(16 * 12.0).reshape(16, 12), np.ones((4, 4)))
PYRAMID = [FINE, FINE[::2, ::2], FINE[::4, ::4]]
SMALL = np.zeros((16, 12), np.uint8)
SMALL[3:13, 2:10] = 1


def test_a_list_of_arrays_of_falling_size_is_a_pyramid_and_others_are_stacks():
    assert as_image(PYRAMID, spacing=(0.5, 0.5), level=2).spacing == (1.0, 2.0, 2.0)
    assert as_image(PYRAMID, level=1).shape == (32, 24)
    assert as_image([FINE, FINE]).shape == (2, 64, 48)


@pytest.mark.parametrize(("image", "levels"), [(PYRAMID, "levels 0 to 2"), (FINE, "only one")])
def test_a_level_that_there_is_not_is_said(image, levels):
    with pytest.raises(ValueError, match=f"{levels}.*PredictConfig.level is 3"):
        as_image(image, level=3)


def test_labels_choose_the_level_they_were_painted_on():
    layer = Image(PYRAMID, multiscale=True, scale=(0.5, 0.25), units="um")
    image = as_image(layer, labels_shape=(32, 24))
    assert (image.level, image.shape, image.spacing) == (1, (32, 24), (1.0, 1.0, 0.5))
    assert "level 1 is used" in image.notes[0]
    config = TrainConfig(epochs=1, unlabelled=None)
    with pytest.warns(UserWarning, match="level 2 is used"):
        trained = Segmenter(ModelSpec("pixels"), device="cpu").fit(layer, SMALL, config)
    assert trained.trained.spacing == (1.0, 2.0, 1.0)
    assert trained.predict(layer, config=PredictConfig(level=2)).shape == (16, 12)


def test_shapes_mark_the_pixels_of_the_level():
    layer = Image(PYRAMID, multiscale=True, scale=(0.5, 0.5))
    # edges of the pixels 8 to 23 and 16 to 31 of the finest level, in world units
    square = np.array([(7.5, 15.5), (7.5, 31.5), (23.5, 31.5), (23.5, 15.5)]) * 0.5
    region = as_region(Shapes([square]), as_image(layer, level=2), layer)
    assert region.parts[0].box == (slice(2, 6), slice(4, 8))
    assert region.pixels == 16
