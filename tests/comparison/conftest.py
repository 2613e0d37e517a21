import pytest
import torch
from torch import nn

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.trained_model import TrainedModel


class Threshold(nn.Module):
    """Class 1 below an intensity, class 2 above it."""

    def __init__(self, level):
        super().__init__()
        self.level = nn.Parameter(torch.tensor([float(level)]))

    def forward(self, x):
        return torch.cat([self.level - x, x - self.level], dim=1)


@pytest.fixture
def threshold():
    """Makes a Segmenter that thresholds; keywords change its model."""

    def make(level, **changes):
        values = {
            "network": Threshold(level).eval(),
            "spec": ModelSpec(),
            "config": TrainConfig(normalise="none"),
            "classes": (LabelClass(1, "dark", "#102030"), LabelClass(2, "light", "#405060")),
            "channels": 1,
            "axes": "YX",
            "spacing": (1.0, 1.0, 1.0),
            "tile_size": (64, 64),
            "overlap": (32, 32),
        }
        return Segmenter.of_trained(TrainedModel(**(values | changes)), device="cpu")

    return make
