"""Networks of segmentation-models-pytorch."""

from functools import partial

import segmentation_models_pytorch as smp
from torch import nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import build_smp

from .upsampling import use_upsampling_blocks


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Build the architecture on the encoder, with the options of the spec."""
    create = partial(smp.create_model, spec.name, spec.encoder, None, classes=inputs.classes)
    create = partial(create, **spec.options)
    if spec.name == "dpt":
        create = partial(create, dynamic_img_size=True)
    network = build_smp(create, str(spec.encoder), inputs.channels)
    if spec.name == "unet":
        use_upsampling_blocks(network)
    return network
