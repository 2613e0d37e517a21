"""A small network, trained on nothing."""

import pytest
import torch
from torch import nn

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.inference import semantic
from napari_segkit.trained_model import TrainedModel


class SmallNetwork(nn.Module):
    """Sees 7 pixels far, and halves and doubles its grid as real networks do."""

    def __init__(self, channels, classes=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(8, classes, 3, padding=1),
        )

    def forward(self, x):
        return 5 * self.layers(x)


def make_model(channels, **changes):
    torch.manual_seed(0)
    values = {
        "network": SmallNetwork(channels).eval(),
        "spec": ModelSpec(),
        "config": TrainConfig(),
        "classes": tuple(LabelClass(v, f"c{v}", "#ffffff") for v in (1, 4, 300)),
        "channels": channels,
        "axes": "YX",
        "spacing": (1.0, 1.0, 1.0),
        "tile_size": (96, 96),
        "overlap": (32, 32),
    }
    return TrainedModel(**(values | changes))


@pytest.fixture
def make():
    """Makes a model for a number of channels; keywords change its fields."""
    return make_model


@pytest.fixture
def segmenter(make):
    """Has a model for one channel."""
    one = Segmenter(ModelSpec(), device="cpu")
    one.trained = make(1)
    return one


@pytest.fixture
def predicted(monkeypatch):
    """The tiles that are predicted: frame and start."""
    seen, before = [], semantic.tile_probabilities

    def tile_probabilities(plan, frame, tiles):
        seen.extend((*frame.values(), *tile.start) for tile in tiles)
        return before(plan, frame, tiles)

    monkeypatch.setattr(semantic, "tile_probabilities", tile_probabilities)
    return seen
