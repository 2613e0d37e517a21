"""Probabilities that are not finite never become labels."""

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter
from napari_segkit.config import TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.inference.request import PredictRequest
from napari_segkit.inference.semantic import predict_tiles
from napari_segkit.models import Inputs, build, resolve
from napari_segkit.models.finite import require_finite
from napari_segkit.steps import drain
from napari_segkit.torch_random import RandomSource

IMAGE = np.random.default_rng(0).random((40, 48), np.float32)


SOUND = [
    *(torch.zeros(0), torch.ones(2, 3), torch.ones(3).bfloat16()),
    *(
        torch.tensor([1]),
        torch.tensor([True]),
        torch.full((2,), 3e38),
        torch.tensor([1e300], dtype=torch.float64),
    ),
]


def test_sound_tensors_of_any_kind_are_finite():
    require_finite("values", SOUND)
    require_finite("values", [])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_value_that_is_not_finite_is_found(value, dtype):
    with pytest.raises(FloatingPointError, match="The values became"):
        require_finite("values", [*SOUND, torch.tensor([1.0, value, 2.0]).to(dtype)])


def test_a_network_that_gives_nan_predicts_nothing(make):
    model = make(1)
    model.network.layers[0].weight.data[0] = torch.nan
    with pytest.raises(FloatingPointError, match="outputs of the network became NaN or infinite"):
        drain(predict_tiles(PredictRequest(model, AxesImage(IMAGE, "YX"))))


@pytest.mark.parametrize("name", ["maskrcnn", "solo"])
def test_an_instance_network_that_gives_nan_does_not_find_nothing(name):
    network = build(resolve(ModelSpec(name)), Inputs(1, 2, (1.0, 1.0)), RandomSource(0)).eval()
    image = torch.zeros(1, 1, 64, 64)
    with torch.inference_mode():
        network(image)
        with pytest.raises(FloatingPointError, match="NaN or infinite: normalise the images"):
            network(image * torch.nan)


def test_extreme_intensities_are_told_before_a_prediction():
    labels = np.where(IMAGE > 0.5, 2, 1)
    segmenter = Segmenter(ModelSpec("pixels")).fit(IMAGE, labels, TrainConfig(normalise="none"))
    extreme = IMAGE.copy()
    extreme[3, 4] = 1e19
    with pytest.warns(UserWarning, match="intensities such as 1e.19, which the normalisation of"):
        next(segmenter.predict_tiles(extreme))
    extreme[3, 4] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite pixels: they are 0 in the result"):
        assert segmenter.predict(extreme)[3, 4] == 0
