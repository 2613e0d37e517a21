"""`freeze_encoder` keeps weights and batch statistics of the encoder, and trains the rest."""

from dataclasses import replace

import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig

CONFIG = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    batch_size=2,
    tile=TileConfig(32, 0),
    unlabelled=None,
    validation=None,
)
FROZEN = replace(CONFIG, freeze_encoder=True)
SPECS = {
    "encoder.": ModelSpec("unet", encoder="mobilenet_v2"),
    "network.backbone.": ModelSpec("lraspp"),
    "backbone.": ModelSpec("solo", encoder="resnet18"),
    "backbone.body.": ModelSpec("maskrcnn", encoder="resnet18"),
}
slow = pytest.mark.slow


@pytest.mark.parametrize(
    "prefix", [pytest.param(p, marks=() if p == "network.backbone." else slow) for p in SPECS]
)
def test_a_frozen_encoder_stays_as_it_was(prefix, scene):
    spec = SPECS[prefix]
    labels_are = "objects" if spec.name in ("solo", "maskrcnn") else "ask"
    segmenter = Segmenter(spec, device="cpu").fit(*scene, replace(CONFIG, labels_are=labels_are))
    before = segmenter.trained.network.state_dict()
    segmenter.fit(*scene, replace(FROZEN, labels_are=labels_are), start="current")
    after = segmenter.trained.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not [name for name in changed if name.startswith(prefix)]


def test_an_encoder_with_random_weights_is_told(scene):
    with pytest.warns(UserWarning, match="keeps an encoder with random weights"):
        next(Segmenter(ModelSpec("lraspp"), device="cpu").train_epochs(*scene, FROZEN))


@pytest.mark.parametrize("name", ["pixels", "segresnet"])
def test_a_method_without_an_encoder_refuses(name, scene):
    with pytest.raises(ValueError, match=f"{name} has no encoder of its own"):
        Segmenter(name, device="cpu").fit(*scene, FROZEN)
