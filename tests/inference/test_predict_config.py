import numpy as np
import pytest
from skimage.data import coins

from napari_segkit import PredictConfig, Segmenter
from napari_segkit.steps import drain

HALF = PredictConfig(precision="bfloat16")


@pytest.fixture
def segmenter(make):
    return Segmenter.of_trained(make(1), device="cpu")


def run(segmenter, config=None):
    return drain(segmenter.predict_tiles(coins(), probabilities=True, config=config))


def test_bfloat16_is_nearly_the_same_and_is_recorded(segmenter):
    full, half = run(segmenter), run(segmenter, HALF)
    assert full.provenance["precision"] == "float32"
    assert half.provenance["precision"] == "bfloat16"
    difference = np.abs(full.probabilities - half.probabilities)
    assert 0 < difference.max() < 0.1


def test_every_function_takes_the_settings(segmenter):
    expected = run(segmenter, HALF)
    np.testing.assert_array_equal(segmenter.predict(coins(), config=HALF), expected.labels)
    maps = segmenter.predict_proba(coins(), config=HALF)
    np.testing.assert_array_equal(maps, expected.probabilities)
