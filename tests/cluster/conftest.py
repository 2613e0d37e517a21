"""Models that a file can hold, trained on nothing."""

from dataclasses import replace

import pytest
import torch

from napari_segkit import ModelSpec, TrainConfig
from napari_segkit.images.classes import LabelClass
from napari_segkit.models import Inputs, build, outputs, resolve
from napari_segkit.trained_model import TrainedModel

CLASSES = tuple(LabelClass(v, f"c{v}", "#ffffff") for v in (1, 4, 300))


@pytest.fixture(scope="session")
def make():
    """Makes a model for a number of channels; keywords change its fields."""
    kept = {}

    def make_model(channels, **changes):
        if channels not in kept:
            torch.manual_seed(0)
            spec, config = resolve(ModelSpec("segresnet", dims="2D")), TrainConfig()
            inputs = Inputs(channels, outputs(spec, len(CLASSES), config), (1.0, 1.0))
            kept[channels] = TrainedModel(
                network=build(spec, inputs).eval(),
                spec=spec,
                config=config,
                classes=CLASSES,
                channels=channels,
                axes="YX",
                spacing=(1.0, 1.0, 1.0),
                tile_size=(96, 96),
                overlap=(32, 32),
            )
        return replace(kept[channels], **changes)

    return make_model


@pytest.fixture(autouse=True)
def one_thread():
    """Here as on the workers: with other threads, the last digit may be another one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
