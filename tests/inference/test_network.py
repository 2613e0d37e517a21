import gc
import weakref
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_segkit import ModelSpec
from napari_segkit.inference.network import network_of
from napari_segkit.models import Inputs, build, resolve, stride
from napari_segkit.models.fold import fold_batch_norm

CPU = torch.device("cpu")


def normalised(network):
    """In evaluation mode, with batch statistics as a training leaves them."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.running_mean.copy_(torch.randn(layer.running_mean.shape, generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(layer.running_var.shape, generator=generator))
    return network.eval()


def count_norms(network):
    return sum(isinstance(layer, _BatchNorm) for layer in network.modules())


@pytest.mark.parametrize(
    ("name", "ndim", "is_folded"),
    [
        ("unet", 2, True),
        pytest.param("linknet", 2, True, marks=pytest.mark.slow),
        pytest.param("deeplabv3plus", 2, True, marks=pytest.mark.slow),
        ("lraspp", 2, True),
        pytest.param("segnet", 2, True, marks=pytest.mark.slow),
        ("unet3d", 3, True),
        ("segresnet", 2, False),  # it normalises in front of convolutions
    ],
)
def test_folded_networks_of_every_library_give_the_same(name, ndim, is_folded, make):
    torch.manual_seed(0)
    spec = resolve(ModelSpec(name, dims=f"{ndim}D"))
    network = normalised(build(spec, Inputs(1, 2, (1.0,) * ndim)))
    steps = stride(spec, (1.0,) * ndim)
    shape = tuple(2 * step for step in steps)
    model = make(1, network=network, spec=spec, axes="ZYX"[-ndim:], tile_size=shape, overlap=steps)
    prepared = network_of(model, CPU, "float32")
    assert count_norms(prepared.module) == (0 if is_folded else count_norms(network))
    images = torch.rand(1, 1, *shape)
    with torch.inference_mode():
        expected, found = network(images), prepared(images)
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_the_copy_is_made_once_and_follows_the_weights(make):
    model = make(1)
    first = network_of(model, CPU, "float32")
    assert network_of(replace(model, white=255.0), CPU, "float32") is first
    images = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        model.network.layers[0].weight.mul_(2)
        changed = network_of(model, CPU, "float32")
        assert changed is not first
        torch.testing.assert_close(changed(images), model.network(images))
    model.network.layers[0].weight = nn.Parameter(torch.zeros(8, 1, 3, 3))
    assert network_of(model, CPU, "float32") is not changed


def test_the_copy_goes_with_its_network_and_shares_what_stays(make):
    model = make(1)
    prepared = network_of(model, CPU, "float32")
    biases = prepared.module.layers[0].bias, model.network.layers[0].bias
    assert biases[0].data_ptr() == biases[1].data_ptr()
    watched = weakref.ref(prepared.module)
    del model, prepared, biases
    gc.collect()
    assert watched() is None


class Rectified(nn.Module):
    """A normalisation that does not follow its convolution at once."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(2))

    def forward(self, images):
        features = self.norms[0](self.relu(self.first(images)))
        return self.norms[1](self.second(self.second(features)))


def test_only_what_follows_a_convolution_at_once_is_folded():
    torch.manual_seed(0)
    network, images = normalised(Rectified()), torch.rand(1, 1, 8, 8)
    expected = network(images)
    assert fold_batch_norm(network, images) == 0
    torch.testing.assert_close(network(images), expected)
