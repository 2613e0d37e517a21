"""A trained model as one torch module."""

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, merge_panoptic

SMALL = ModelSpec("unet", options={"encoder_depth": 3, "decoder_channels": (16, 8, 8)})
CONFIG = TrainConfig(
    epochs=1, steps_per_epoch=3, tile=TileConfig(tile_size=64), unlabelled=None, validation=None
)


def stripes(shape, dtype=np.uint16):
    """Bright stripes on a dark ground, and their labels."""
    labels = np.broadcast_to(np.arange(shape[-1]) // 8 % 2, shape)
    noise = np.random.default_rng(0).integers(0, 50, shape)
    return (100 + 400 * labels + noise).astype(dtype), labels.astype(np.uint8)


def module_probabilities(segmenter, image):
    statistics = segmenter.measure(image)
    low, high = torch.tensor(statistics.low), torch.tensor(statistics.high)
    tile = torch.from_numpy(image.astype(np.float32))[None, None]
    with torch.no_grad():
        return segmenter.as_module()(tile, low, high)[0].numpy()


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (SMALL, (64, 64)),
        (ModelSpec("pixels", dims="2D"), (64, 64)),
        pytest.param(ModelSpec("unet3d", dims="3D"), (32, 32, 32), marks=pytest.mark.slow),
    ],
    ids=["unet", "pixels", "3D"],
)
def test_a_tile_has_the_probabilities_of_the_segmenter(spec, shape):
    image, labels = stripes(shape)
    segmenter = Segmenter(spec, device="cpu").fit(image, labels, CONFIG)
    found = module_probabilities(segmenter, image)
    expected = segmenter.predict_proba(image, TileConfig(tile_size=shape[-1], overlap=0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tiles_of_neighbouring_slices_take_the_intensities_of_an_image():
    pixels, labels = stripes((3, 64, 64))
    image = np.stack([pixels, 900 - pixels], axis=-1)
    spec = ModelSpec("segresnet", dims="2D", neighbour_slices=1)
    segmenter = Segmenter(spec, device="cpu").fit(image, labels, CONFIG, axes="ZYXC")
    statistics = segmenter.measure(image, axes="ZYXC")
    low, high = torch.tensor(statistics.low), torch.tensor(statistics.high)
    slices = np.moveaxis(image, -1, 1).reshape(1, 6, 64, 64).astype(np.float32)
    with torch.no_grad():
        found = segmenter.as_module()(torch.from_numpy(slices), low, high)[0].numpy()
    whole = segmenter.predict_proba(image, TileConfig(tile_size=64, overlap=0), axes="ZYXC")
    np.testing.assert_allclose(found, whole[:, 1], atol=1e-5)


def test_each_image_of_a_batch_may_have_its_own_intensities():
    image, labels = stripes((64, 64))
    segmenter = Segmenter(SMALL, device="cpu")
    module = segmenter.fit(image, labels, CONFIG).as_module()
    tile = torch.from_numpy(image.astype(np.float32))[None, None]
    low, high = torch.tensor([[100.0], [200.0]]), torch.tensor([[500.0], [1000.0]])
    with torch.no_grad():
        together = module(torch.cat([tile, 2 * tile]), low, high)
        alone = module(tile, low[:1], high[:1])
    torch.testing.assert_close(together[0], alone[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together[1], alone[0], atol=1e-5, rtol=1e-4)


def test_it_is_a_copy_and_can_be_exported():
    image, labels = stripes((64, 64))
    segmenter = Segmenter(SMALL, device="cpu")
    module = segmenter.fit(image, labels, CONFIG).as_module()
    arguments = torch.rand(1, 1, 64, 64), torch.zeros(1), torch.ones(1)
    with torch.no_grad():
        before = module(*arguments)
        exported = torch.export.export(module, arguments).module()
    segmenter.fit(image, labels, CONFIG)
    with torch.no_grad():
        torch.testing.assert_close(module(*arguments), before)
        torch.testing.assert_close(exported(*arguments), before, atol=1e-5, rtol=1e-4)


def test_an_instance_network_keeps_its_outputs():
    image, _ = stripes((64, 64))
    ids = np.broadcast_to(np.arange(64) // 8, (64, 64)) % 2 * (1 + np.arange(64) // 16)
    config = TrainConfig(epochs=1, steps_per_epoch=1, labels_are="objects", unlabelled=None)
    segmenter = Segmenter(ModelSpec("solo", encoder="resnet18"), device="cpu")
    module = segmenter.fit(image, ids.astype(np.uint8), config).as_module()
    with torch.no_grad():
        outputs = module(torch.rand(1, 1, 64, 64), torch.zeros(1), torch.ones(1))
    assert {"boxes", "labels", "scores", "masks"} <= outputs[0].keys()
    semantic = Segmenter(SMALL, device="cpu")
    merged = merge_panoptic(semantic.fit(*stripes((64, 64)), CONFIG), segmenter)
    with pytest.raises(ValueError, match="merged from two models"):
        merged.as_module()


def test_an_untrained_model_has_no_module():
    with pytest.raises(ValueError, match="not trained"):
        Segmenter().as_module()
