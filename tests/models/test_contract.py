"""What every method keeps: a new one is under this contract as soon as it is in the registry."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate, list_models
from napari_segkit.models import Inputs, build, stride
from napari_segkit.models.meta_device import meta_device
from napari_segkit.steps import drain

ALL = {info.name: info for info in list_models()}
MODELS = {name: info for name, info in ALL.items() if info.kind == "semantic"}
QUICK = TrainConfig(epochs=2, steps_per_epoch=9, tile=TileConfig(16, 0))
DIMS = [(name, dims) for name, info in MODELS.items() for dims in info.dims]


def scene(ndim, channels=1, length=None):
    """A bright ball in noise: image, dense truth (1 outside, 2 inside), scribbles (0 elsewhere)."""
    length = length or {2: 64, 3: 16}[ndim]
    random = np.random.default_rng(0)
    places = np.indices((length,) * ndim) - (length - 1) / 2
    truth = np.where((places**2).sum(axis=0) < (0.35 * length) ** 2, 2, 1).astype(np.uint8)
    image = random.normal(100 * truth, 15)
    shape = (*truth.shape, channels)
    image = np.stack([image * (c + 1) for c in range(channels)], -1) if channels > 1 else image
    scribbles = np.where(random.random(truth.shape) < 0.2, truth, 0).astype(np.uint8)
    return image.reshape(shape if channels > 1 else truth.shape), truth, scribbles


def axes(ndim, channels):
    return "ZYX"[-ndim:] + "C" * (channels > 1)


def spec_of(name, ndim, **more):
    return ModelSpec(name, dims=f"{ndim}D", **more)


@pytest.fixture(scope="module", params=DIMS, ids=lambda p: f"{p[0]}-{p[1]}D")
def learned(request):
    """Each method once, trained on scribbles."""
    name, ndim = request.param
    image, truth, scribbles = scene(ndim)
    segmenter = Segmenter(spec_of(name, ndim), device="cpu").fit(image, scribbles, QUICK)
    return segmenter, image, truth


def test_a_training_on_scribbles_reaches_a_figure(learned):
    segmenter, image, truth = learned
    assert evaluate(segmenter.predict(image), truth).mean_iou > 0.75


def test_a_saved_model_gives_the_same_pixels(learned, tmp_path):
    segmenter, image, _ = learned
    segmenter.save(tmp_path / "model.segkit")
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(image), segmenter.predict_proba(image))


def test_odd_sizes_are_predicted_in_full(learned):
    segmenter, image, _ = learned
    cut = image[tuple(slice(0, n - 3 - 2 * i) for i, n in enumerate(image.shape))]
    found = segmenter.predict_proba(cut)
    assert found.shape == (2, *cut.shape)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_closing_a_training_leaves_a_model_that_predicts(learned):
    segmenter, image, truth = learned
    again = Segmenter(segmenter.spec, device="cpu")
    steps = again.train_epochs(image, truth, replace(QUICK, unlabelled=None))
    next(step for step in steps if hasattr(step, "loss"))
    steps.close()
    assert len(again.history) == 1
    assert again.predict(image).shape == truth.shape


def test_an_image_with_other_channels_is_refused_in_a_sentence(learned):
    segmenter, image, _ = learned
    with pytest.raises(ValueError, match=r"3 channel.*trained with 1"):
        segmenter.predict(np.stack([image] * 3, -1), axes=segmenter.trained.axes + "C")


@pytest.mark.parametrize(("name", "ndim"), [(n, d) for n, info in ALL.items() for d in info.dims])
def test_shapes_follow_from_the_spec_alone(name, ndim):
    """What a model file is checked against, built twice without numbers."""
    spec = spec_of(name, ndim, encoder=ALL[name].encoders[0])
    spacing = (5.0, 0.5, 0.5)[-ndim:]
    with meta_device():
        one, other = (build(spec, Inputs(2, 3, spacing)).state_dict() for _ in range(2))
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}
    assert len(stride(spec, spacing)) == ndim


@pytest.mark.parametrize("name", [n for n, info in MODELS.items() if 3 in info.dims])
def test_a_thin_volume_of_coarse_slices_works(name):
    random = np.random.default_rng(0)
    image = random.normal(size=(9, 48, 56)).astype(np.float32)
    labels = (image > 0).astype(np.uint8) + 1
    config = replace(QUICK, epochs=1, steps_per_epoch=1, batch_size=2, tile=TileConfig())
    segmenter = Segmenter(spec_of(name, 3), device="cpu")
    segmenter.fit(image, labels, config, spacing=(7.5, 0.5, 0.5))
    assert segmenter.predict(image, spacing=(7.5, 0.5, 0.5)).shape == image.shape


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "dense"), [(1, True), (2, False), (3, True), (5, False)])
@pytest.mark.parametrize(("name", "ndim"), DIMS)
def test_any_channels_sparse_and_dense(name, ndim, channels, dense):
    image, truth, scribbles = scene(ndim, channels)
    named = axes(ndim, channels)
    labels, config = (truth, replace(QUICK, unlabelled=None)) if dense else (scribbles, QUICK)
    segmenter = Segmenter(spec_of(name, ndim), device="cpu")
    drain(segmenter.train_epochs(image, labels, config, axes=named))
    assert evaluate(segmenter.predict(image), truth).mean_iou > 0.75


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_probabilities_and_its_memory_back(learned, tmp_path, monkeypatch):
    segmenter, image, _ = learned
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        monkeypatch.setattr(backend, "allow_tf32", False)
    segmenter.save(tmp_path / "model.segkit")
    before = torch.cuda.memory_allocated()
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cuda")
    found = loaded.predict_proba(image)
    assert np.abs(found - segmenter.predict_proba(image)).max() < 1e-3
    del loaded
    gc.collect()
    assert torch.cuda.memory_allocated() <= before
