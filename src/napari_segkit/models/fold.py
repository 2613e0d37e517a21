"""Fold batch normalisation into the convolution before it."""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d


@torch.no_grad()
def fold_batch_norm(network: nn.Module, images: Tensor) -> int:
    """Fold in place, in evaluation mode; returns how many layers were folded.

    Which convolution comes before which normalisation is seen as `images` pass, so it works for
    networks of any library. The weights of the convolutions are replaced, not written to.
    """
    names = {layer: name for name, layer in network.named_modules()}
    pairs = _pairs(network, images)
    for norm, convolution in pairs.items():
        _fold(convolution, norm)
        parent, _, name = names[norm].rpartition(".")
        setattr(network.get_submodule(parent), name, _rest(norm))
    return len(pairs)


def _pairs(network: nn.Module, images: Tensor) -> dict[Any, Any]:
    """Each normalisation that follows one convolution, and always that one."""
    made: dict[tuple[int, int], nn.Module] = {}  # by output, as long as nothing writes to it
    kept: list[Tensor] = []  # an id is that of one tensor while it lives
    calls: dict[nn.Module, int] = defaultdict(int)
    before: dict[nn.Module, list[nn.Module | None]] = defaultdict(list)

    def after_convolution(layer: nn.Module, _: object, output: Tensor) -> None:
        made[id(output), output._version] = layer
        calls[layer] += 1
        kept.append(output)

    def before_norm(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        before[layer].append(made.get((id(inputs[0]), inputs[0]._version)))

    hooks = [
        layer.register_forward_pre_hook(before_norm)
        if isinstance(layer, _BatchNorm | FrozenBatchNorm2d)
        else layer.register_forward_hook(after_convolution)
        for layer in network.modules()
        if isinstance(layer, _BatchNorm | FrozenBatchNorm2d | _ConvNd)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    return {
        norm: layers[0]
        for norm, layers in before.items()
        if isinstance(layers[0], _ConvNd)
        and layers == [layers[0]] * calls[layers[0]]
        and norm.running_mean is not None
    }


def _fold(convolution: _ConvNd, norm: Any) -> None:
    weight, bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(convolution, _ConvTransposeNd),
    )
    convolution.weight, convolution.bias = weight.requires_grad_(False), bias.requires_grad_(False)


def _rest(norm: nn.Module) -> nn.Module:
    """What the layer does besides: those of timm go on with dropout and an activation."""
    after = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    return nn.Sequential(*after) if after else nn.Identity()
