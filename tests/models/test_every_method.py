"""Every method trains a step, is saved, loaded, and predicts."""

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, list_models
from napari_segkit.models import Inputs, build, stride
from napari_segkit.models.meta_device import meta_device

ALL = [(info, ndim) for info in list_models() for ndim in info.dims]
FAST = ("unet", "segformer", "segnet", "lraspp", "unet3d")  # one of each library and kind
NETWORKS = [
    pytest.param(info, ndim, marks=[pytest.mark.slow] * (info.name not in FAST))
    for info, ndim in ALL
    if info.training == "semantic"
]


def method_id(value):
    return value.name if hasattr(value, "name") else f"{value}D"


@pytest.mark.parametrize(("info", "ndim"), NETWORKS, ids=method_id)
def test_a_network_trains_a_step_and_its_file_predicts_an_odd_image(info, ndim, tmp_path):
    image = np.random.default_rng(0).normal(size=(11, 37, 41)[-ndim:]).astype(np.float32)
    labels = (image > 0).astype(np.uint8) + 1
    config = TrainConfig(
        epochs=1, steps_per_epoch=1, batch_size=2, tile=TileConfig(16, 0), validation=None
    )
    segmenter = Segmenter(ModelSpec(info.name, dims=f"{ndim}D"), device="cpu")
    segmenter.fit(image, labels, config)
    segmenter.save(tmp_path / "model.segkit")
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cpu")
    probabilities = segmenter.predict_proba(image)
    assert probabilities.shape == (2, *image.shape)
    assert probabilities.std() > 0
    np.testing.assert_array_equal(loaded.predict_proba(image), probabilities)


@pytest.mark.parametrize(("info", "ndim"), ALL, ids=method_id)
def test_shapes_follow_from_the_spec_alone(info, ndim):
    """A model file is checked against the shapes of a network built on the meta device."""
    spec = ModelSpec(info.name, dims=f"{ndim}D", encoder=info.encoders[0])
    spacing = (5.0, 0.5, 0.5)[-ndim:]
    with meta_device():
        one, other = (build(spec, Inputs(2, 3, spacing)).state_dict() for _ in range(2))
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}
    assert len(stride(spec, spacing)) == ndim


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(info.name, marks=[pytest.mark.slow] * (info.name == "mednext"))
        for info, ndim in ALL
        if ndim == 3
    ],
)
def test_a_thin_volume_of_coarse_slices_works(name):
    image = np.random.default_rng(0).normal(size=(9, 48, 56)).astype(np.float32)
    labels = (image > 0).astype(np.uint8) + 1
    config = TrainConfig(epochs=1, steps_per_epoch=1, batch_size=2, validation=None)
    segmenter = Segmenter(ModelSpec(name, dims="3D"), device="cpu")
    segmenter.fit(image, labels, config, spacing=(7.5, 0.5, 0.5))
    assert segmenter.predict(image, spacing=(7.5, 0.5, 0.5)).shape == image.shape
