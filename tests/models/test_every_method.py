"""Every method is built, run, saved and loaded, with random weights."""

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, list_models, model_file
from napari_segkit.images.classes import LabelClass
from napari_segkit.models import Inputs, build, resolve, stride
from napari_segkit.models.meta_device import meta_device
from napari_segkit.torch_random import RandomSource
from napari_segkit.trained_model import TrainedModel

ALL = [(info, ndim) for info in list_models() for ndim in info.dims]
NETWORKS = [(info, ndim) for info, ndim in ALL if info.training == "semantic"]
CLASSES = (LabelClass(1, "outside", "#000000"), LabelClass(2, "inside", "#ffffff"))


def method_id(value):
    return value.name if hasattr(value, "name") else f"{value}D"


def untrained(name, ndim):
    """A model with random weights, for one channel and two classes."""
    spec = resolve(ModelSpec(name, dims=f"{ndim}D"))
    inputs = Inputs(1, 2, (1.0,) * ndim)
    return TrainedModel(
        network=build(spec, inputs, RandomSource(0)).eval(),
        spec=spec,
        config=TrainConfig(),
        classes=CLASSES,
        channels=1,
        axes="ZYX"[-ndim:],
        spacing=(1.0, 1.0, 1.0),
        tile_size=stride(spec, inputs.spacing),
        overlap=(0,) * ndim,
    )


@pytest.mark.parametrize(("info", "ndim"), NETWORKS, ids=method_id)
def test_a_saved_network_gives_the_same_logits(info, ndim, tmp_path):
    model = untrained(info.name, ndim)
    edges = [2 * edge for edge in model.tile_size]
    images = torch.rand((1, 1, *edges), generator=torch.Generator().manual_seed(0))
    model_file.save(model, tmp_path / "model.segkit")
    loaded = model_file.load(tmp_path / "model.segkit")
    with torch.no_grad():
        logits, again = model.network(images), loaded.network(images)
    assert logits.shape == (1, 2, *edges)
    assert logits.std() > 0
    assert torch.equal(logits, again)


@pytest.mark.parametrize(("info", "ndim"), ALL, ids=method_id)
def test_shapes_follow_from_the_spec_alone(info, ndim):
    """A model file is checked against the shapes of a network built on the meta device."""
    spec = ModelSpec(info.name, dims=f"{ndim}D", encoder=info.encoders[0])
    spacing = (5.0, 0.5, 0.5)[-ndim:]
    with meta_device():
        one, other = (build(spec, Inputs(2, 3, spacing)).state_dict() for _ in range(2))
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}
    assert len(stride(spec, spacing)) == ndim


@pytest.mark.parametrize("name", [info.name for info, ndim in ALL if ndim == 3])
def test_a_thin_volume_of_coarse_slices_works(name):
    image = np.random.default_rng(0).normal(size=(9, 48, 56)).astype(np.float32)
    labels = (image > 0).astype(np.uint8) + 1
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, tile=TileConfig())
    segmenter = Segmenter(ModelSpec(name, dims="3D"), device="cpu")
    segmenter.fit(image, labels, config, spacing=(7.5, 0.5, 0.5))
    assert segmenter.predict(image, spacing=(7.5, 0.5, 0.5)).shape == image.shape
