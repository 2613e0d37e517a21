"""The recipe "Add a method" of docs/extending.md: one file that builds it, and one line."""

from types import ModuleType

import numpy as np
import pytest
from torch import nn

from napari_segkit import ModelSpec, Segmenter, TrainConfig, list_models
from napari_segkit.config import TileConfig
from napari_segkit.models import Inputs
from napari_segkit.models.registry import MODELS, ModelInfo

WIDTHS = {"small": 8, "large": 32}


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Two convolutions: images ``(N, C, Y, X)`` to logits ``(N, classes, Y, X)``."""
    width = WIDTHS[str(spec.encoder)]
    return nn.Sequential(
        nn.Conv2d(inputs.channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, inputs.classes, 3, padding=1),
    )


def family() -> ModuleType:
    """The file that builds it; in the package a function of `models.families`."""
    module = ModuleType("tiny")
    module.build = build
    return module


@pytest.fixture
def tiny(monkeypatch):
    """The line in the registry."""
    info = ModelInfo(
        "tiny",
        "Tiny network",
        dims=(2,),
        about="Two convolutions: an example.",
        encoders=tuple(WIDTHS),
        family=family,
        stride=1,
    )
    monkeypatch.setitem(MODELS, info.name, info)
    return info


def test_a_registered_method_is_listed(tiny):
    assert tiny in list_models()


@pytest.mark.parametrize("objects", [None, "distance"])
def test_a_registered_method_trains_predicts_and_is_saved(tiny, tmp_path, objects):
    image = np.random.default_rng(0).normal(size=(40, 48)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    labels[8:20, 8:20] = 1
    segmenter = Segmenter(ModelSpec("tiny", objects=objects), device="cpu")
    assert segmenter.spec.encoder == "small"
    config = TrainConfig(epochs=1, steps_per_epoch=2, unlabelled=None, tile=TileConfig(32, 8))
    segmenter.fit(image, labels, config)
    predicted = segmenter.predict(image)
    assert predicted.shape == image.shape
    segmenter.save(tmp_path / "tiny.segkit")
    loaded = Segmenter.load(tmp_path / "tiny.segkit", device="cpu")
    np.testing.assert_array_equal(loaded.predict(image), predicted)


def test_an_unknown_size_is_refused(tiny):
    with pytest.raises(ValueError, match="tiny has no encoder 'huge'"):
        Segmenter(ModelSpec("tiny", encoder="huge"))
