"""Torchvision's networks for segmentation: FCN, LR-ASPP and its own DeepLabv3."""

import torch
from torch import nn
from torchvision.models import segmentation
from torchvision.models.segmentation.fcn import FCN, FCNHead

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import set_channels

FEATURES = 960  # channels that mobilenet_v3_large gives


class Logits(nn.Module):
    """A network of torchvision that gives its logits alone.

    Parameters
    ----------
    network : torch.nn.Module
        Gives a dict with the logits under "out".
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> nn.Module:
        """The part that reads the image."""
        return self.network.backbone  # type: ignore[return-value]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(N, classes, Y, X)`` of images ``(N, channels, Y, X)``."""
        logits: torch.Tensor = self.network(images)["out"]
        return logits


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """The network of that name, from random weights.

    Parameters
    ----------
    spec : ModelSpec
        Name and encoder.
    inputs : Inputs
        Channels and classes.
    """
    name = spec.name.removesuffix("_torchvision")
    if (name, spec.encoder) == ("fcn", "mobilenet_v3_large"):  # torchvision lacks this pair
        network: nn.Module = FCN(
            _create("deeplabv3", spec, inputs).backbone, FCNHead(FEATURES, inputs.classes)
        )
    else:
        network = _create(name, spec, inputs)
    set_channels(network, inputs.channels)
    return Logits(network)


def _create(name: str, spec: ModelSpec, inputs: Inputs) -> nn.Module:
    create = getattr(segmentation, f"{name}_{spec.encoder}")
    network: nn.Module = create(weights=None, weights_backbone=None, num_classes=inputs.classes)
    return network
