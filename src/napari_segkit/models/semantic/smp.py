"""Networks of segmentation-models-pytorch."""

from functools import partial

import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import build_smp
from napari_segkit.models.meta_device import meta_device


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """Build the architecture on the encoder; ValueError if they are incompatible."""
    if str(spec.encoder).startswith("tu-"):
        _require_fit(spec, inputs)
    return _create(spec, inputs)


def _create(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    create = partial(smp.create_model, spec.name, spec.encoder, None, classes=inputs.classes)
    if spec.name == "dpt":
        create = partial(create, dynamic_img_size=True)
    return build_smp(create, str(spec.encoder), inputs.channels)


def _require_fit(spec: ModelSpec, inputs: Inputs) -> None:
    """Raise ValueError unless a timm encoder gives what the decoder needs."""
    try:
        with meta_device():
            network = _create(spec, inputs)
            shape = network(torch.zeros(2, inputs.channels, 128, 192)).shape
        if shape != (2, inputs.classes, 128, 192):
            raise ValueError(f"its output has the shape {tuple(shape)}")
    except Exception as error:  # timm raises errors of all sorts
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"{spec.name} is incompatible with the encoder {spec.encoder!r} ({reason}): choose "
            "another one, such as 'resnet18' or 'tu-convnext_atto'."
        ) from error
