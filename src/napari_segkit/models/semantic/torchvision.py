"""Networks of torchvision: FCN, LR-ASPP and its own DeepLabv3."""

import torch
from torch import nn
from torchvision.models import segmentation
from torchvision.models.segmentation.fcn import FCN, FCNHead

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import set_channels

FEATURES = 960  # output channels of mobilenet_v3_large


class Logits(nn.Module):
    """Return the logits of a torchvision network instead of its dict."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.network.backbone  # type: ignore[return-value]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images ``(N, channels, Y, X)`` to logits ``(N, classes, Y, X)``."""
        logits: torch.Tensor = self.network(images)["out"]
        return logits


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
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
