"""The decoder's blocks for training compute what smp's own do."""

from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch

from napari_segkit.models.semantic.upsampling import UpsamplingBlock, use_upsampling_blocks

OPTIONS = [
    {},
    {"decoder_attention_type": "scse"},
    {"decoder_interpolation": "bilinear"},
    {"decoder_use_norm": False},  # convolutions with a bias
]


def both(options: dict[str, object]) -> tuple[smp.Unet, smp.Unet]:
    """Two networks with the same weights, in double precision."""
    make = partial(smp.Unet, "resnet18", encoder_weights=None, in_channels=2, classes=3)
    theirs, ours = (make(decoder_channels=(32, 32, 16, 16, 16), **options) for _ in range(2))
    use_upsampling_blocks(ours)
    ours.load_state_dict(theirs.state_dict())
    return theirs.double(), ours.double()


@pytest.mark.parametrize("options", OPTIONS)
def test_training_is_the_same(options: dict[str, object]) -> None:
    networks, images = both(options), torch.randn(2, 2, 64, 96, dtype=torch.float64)
    wanted, found = (network.train()(images) for network in networks)
    torch.testing.assert_close(found, wanted)
    for logits in (wanted, found):
        (logits**3).mean().backward()
    pairs = zip(*(network.named_parameters() for network in networks), strict=True)
    for (name, theirs), (own_name, ours) in pairs:
        assert own_name == name
        torch.testing.assert_close(ours.grad, theirs.grad, msg=name)


def test_prediction_is_bit_equal() -> None:
    theirs, ours = (network.float().eval() for network in both({}))
    images = torch.randn(1, 2, 64, 64)
    assert torch.equal(ours(images), theirs(images))


def test_nothing_is_enlarged_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = both({})
    sizes = []
    enlarge = torch.nn.functional.interpolate

    def note(features: torch.Tensor, **options: object) -> torch.Tensor:
        sizes.append(features.shape[-1])
        return enlarge(features, **options)

    monkeypatch.setattr(torch.nn.functional, "interpolate", note)
    network.train()(torch.randn(2, 2, 128, 128, dtype=torch.float64))
    assert all(isinstance(block, UpsamplingBlock) for block in network.decoder.blocks)
    assert sizes == [4, 8]  # of the small maps alone
