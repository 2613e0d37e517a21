"""Behaviour of every semantic method, from training to a saved model.

One method of each family is tested here in every run, the others under `slow`;
`test_every_method.py` builds, runs and saves each of them.
"""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, evaluate, list_models
from napari_segkit.steps import drain

QUICK = TrainConfig(epochs=2, steps_per_epoch=9, tile=TileConfig(16, 0), validation=None)
ALL = [(info.name, d) for info in list_models() if info.kind == "semantic" for d in info.dims]
ONE_PER_FAMILY = [
    *(("unet", 2), ("lraspp", 2), ("unet3d", 3)),
    *(("pixels", 2), ("pixels", 3)),
]
SMALLER = {"unet": {"encoder_depth": 3, "decoder_channels": (32, 16, 16)}}  # trains in seconds
OTHERS = [pytest.param(pair, marks=pytest.mark.slow) for pair in ALL if pair not in ONE_PER_FAMILY]


def pair_id(pair):
    return f"{pair[0]}-{pair[1]}D"


@pytest.fixture(scope="module", params=[*ONE_PER_FAMILY, *OTHERS], ids=pair_id)
def trained(request, ball_scene):
    """One method, trained on scribbles, with its image and truth."""
    name, ndim = request.param
    image, truth, scribbles = ball_scene(ndim)
    spec = ModelSpec(name, dims=f"{ndim}D", options=SMALLER.get(name, {}))
    return Segmenter(spec, device="cpu").fit(image, scribbles, QUICK), image, truth


def test_training_on_scribbles_finds_the_ball(trained):
    segmenter, image, truth = trained
    assert evaluate(segmenter.predict(image), truth).mean_iou > 0.75


def test_a_saved_model_gives_the_same_pixels(trained, tmp_path):
    segmenter, image, _ = trained
    segmenter.save(tmp_path / "model.segkit")
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(image), segmenter.predict_proba(image))


def test_odd_sizes_are_predicted_in_full(trained):
    segmenter, image, _ = trained
    crop = image[tuple(slice(0, n - 3 - 2 * i) for i, n in enumerate(image.shape))]
    probabilities = segmenter.predict_proba(crop)
    assert probabilities.shape == (2, *crop.shape)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_closing_a_training_leaves_a_model_that_predicts(trained):
    segmenter, image, truth = trained
    again = Segmenter(segmenter.spec, device="cpu")
    steps = again.train_epochs(image, truth, replace(QUICK, unlabelled=None))
    next(step for step in steps if hasattr(step, "loss"))
    steps.close()
    assert len(again.history) == 1
    assert again.predict(image).shape == truth.shape


def test_an_image_with_other_channels_is_refused(trained):
    segmenter, image, _ = trained
    with pytest.raises(ValueError, match=r"takes 1 channel, .* has 3 channels"):
        segmenter.predict(
            np.stack([image, image, image[::-1]], -1), axes=segmenter.trained.axes + "C"
        )


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "dense"), [(1, True), (2, False), (3, True), (5, False)])
@pytest.mark.parametrize("pair", ALL, ids=pair_id)
def test_any_channels_sparse_and_dense(pair, channels, dense, ball_scene):
    name, ndim = pair
    image, truth, scribbles = ball_scene(ndim, channels)
    axes = "ZYX"[-ndim:] + "C" * (channels > 1)
    labels, config = (truth, replace(QUICK, unlabelled=None)) if dense else (scribbles, QUICK)
    segmenter = Segmenter(ModelSpec(name, dims=f"{ndim}D"), device="cpu")
    drain(segmenter.train_epochs(image, labels, config, axes=axes))
    assert evaluate(segmenter.predict(image), truth).mean_iou > 0.75


@pytest.mark.gpu
def test_a_gpu_gives_the_cpus_probabilities_and_frees_its_memory(trained, tmp_path, monkeypatch):
    segmenter, image, _ = trained
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        monkeypatch.setattr(backend, "allow_tf32", False)
    segmenter.save(tmp_path / "model.segkit")
    before = torch.cuda.memory_allocated()
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cuda")
    probabilities = loaded.predict_proba(image)
    assert np.abs(probabilities - segmenter.predict_proba(image)).max() < 1e-3
    del loaded
    gc.collect()
    assert torch.cuda.memory_allocated() <= before
