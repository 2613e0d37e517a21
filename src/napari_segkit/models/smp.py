"""Networks of segmentation-models-pytorch."""

import segmentation_models_pytorch as smp
from torch import nn

from napari_segkit.config import ModelSpec


def build(spec: ModelSpec, channels: int, classes: int) -> nn.Module:
    """The architecture of that name, from random weights."""
    return smp.create_model(
        spec.name,
        encoder_name=spec.encoder,
        encoder_weights=None,
        in_channels=channels,
        classes=classes,
    )
