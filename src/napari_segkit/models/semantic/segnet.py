"""SegNet (Badrinarayanan, Kendall and Cipolla, TPAMI 2017, doi:10.1109/TPAMI.2016.2644615)."""

from collections.abc import Iterator

import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs

CONFIGURATIONS = {"vgg11_bn": "A", "vgg13_bn": "B", "vgg16_bn": "D", "vgg19_bn": "E"}
Pooled = tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Size]]]


class Encoder(nn.Module):
    """The convolutions of a VGG network, which also return the indices of max pooling."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.features = make_layers(cfgs[CONFIGURATIONS[name]], batch_norm=True)
        if channels != 3:
            self.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                layer.return_indices = True

    def forward(self, images: torch.Tensor) -> Pooled:
        """Return the last feature map, and indices and input shape of each pooling in order."""
        poolings = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                shape = images.shape
                images, indices = layer(images)
                poolings.append((indices, shape))
            else:
                images = layer(images)
        return images, poolings


class SegNet(nn.Module):
    """Encoder, and a mirrored decoder that unpools with the encoder's pooling indices."""

    def __init__(self, encoder: str, channels: int, classes: int) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, channels)
        self.unpool = nn.MaxUnpool2d(2, 2)
        stages = list(_stages(cfgs[CONFIGURATIONS[encoder]]))
        narrower = [64, *(stage[-1] for stage in stages[:-1])]
        decoder = [
            nn.Sequential(*_convolutions(stage, out))
            for stage, out in zip(reversed(stages), reversed(narrower), strict=True)
        ]
        # The last convolution gives the logits, without normalisation and ReLU.
        decoder[-1] = decoder[-1][:-3].append(nn.Conv2d(64, classes, 3, padding=1))
        self.decoder = nn.ModuleList(decoder)
        self.apply(_initialise)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images ``(N, channels, Y, X)`` to logits ``(N, classes, Y, X)``."""
        features, poolings = self.encoder(images)
        for stage, (indices, shape) in zip(self.decoder, reversed(poolings), strict=True):
            features = stage(self.unpool(features, indices, output_size=shape))
        return features


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    return SegNet(str(spec.encoder), inputs.channels, inputs.classes)


def _stages(configuration: list[str | int]) -> Iterator[list[int]]:
    """Yield the output channels of the convolutions between poolings."""
    stage: list[int] = []
    for width in configuration:
        if width == "M":
            yield stage
            stage = []
        else:
            stage.append(int(width))


def _convolutions(stage: list[int], out: int) -> Iterator[nn.Module]:
    """Yield as many convolutions as the encoder's stage has; the last has `out` channels."""
    width = stage[-1]
    for number in range(len(stage)):
        narrowed = out if number == len(stage) - 1 else width
        yield from (nn.Conv2d(width, narrowed, 3, padding=1), nn.BatchNorm2d(narrowed), nn.ReLU())


def _initialise(layer: nn.Module) -> None:
    """Initialise as He et al. 2015, as in the paper."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
