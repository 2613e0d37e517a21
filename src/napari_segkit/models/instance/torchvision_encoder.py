"""Encoders of torchvision for instance methods, and the maps taken from them."""

from dataclasses import dataclass

from torch import nn
from torchvision.models import mobilenet_v3_large, resnet

RESNET = {"relu": "stem", "layer1": "0", "layer2": "1", "layer3": "2", "layer4": "3"}
MOBILENET = {"1": "stem", "3": "0", "6": "1", "12": "2", "16": "3"}
MOBILENET_WIDTHS = (16, 24, 40, 112, 960)


@dataclass(frozen=True)
class Encoder:
    """A network with random weights, and its layers with strides 2, 4, 8, 16, 32.

    `layers` maps their names to "stem", "0", "1", "2", "3"; `widths` are their channels.
    """

    network: nn.Module
    layers: dict[str, str]
    widths: tuple[int, ...]


def encoder(name: str) -> Encoder:
    """Build an encoder for RGB images."""
    if name == "mobilenet_v3_large":
        return Encoder(mobilenet_v3_large(weights=None).features, MOBILENET, MOBILENET_WIDTHS)
    network: resnet.ResNet = getattr(resnet, name)(weights=None)
    widest = network.fc.in_features
    return Encoder(network, RESNET, (64, *(widest // 8 * 2**level for level in range(4))))
