"""Networks of segmentation-models-pytorch."""

import warnings
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_segkit.config import ModelSpec
from napari_segkit.models import Inputs
from napari_segkit.models.in_channels import set_channels
from napari_segkit.models.meta_device import meta_device


def build(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    """The architecture of that name on that encoder.

    Parameters
    ----------
    spec : ModelSpec
        Name and encoder.
    inputs : Inputs
        Channels and classes.

    Raises
    ------
    ValueError
        If timm has no such encoder, or the architecture cannot stand on it.
    """
    if str(spec.encoder).startswith("tu-"):
        _require_fit(spec, inputs)
    return _create(spec, inputs)


def _create(spec: ModelSpec, inputs: Inputs) -> nn.Module:
    more: dict[str, Any] = {"dynamic_img_size": True} if spec.name == "dpt" else {}
    colour = str(spec.encoder).startswith("mit_")  # smp builds these for three channels only
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # names like timm-...
        network = smp.create_model(
            spec.name,
            encoder_name=spec.encoder,
            encoder_weights=None,
            in_channels=3 if colour else inputs.channels,
            classes=inputs.classes,
            **more,
        )
    if colour:
        set_channels(network.encoder, inputs.channels)
    return network


def _require_fit(spec: ModelSpec, inputs: Inputs) -> None:
    """Of timm's many models only some give what a decoder needs: run one without its numbers."""
    try:
        with meta_device():
            network = _create(spec, inputs)
            given = network(torch.zeros(2, inputs.channels, 128, 192)).shape
        if given != (2, inputs.classes, 128, 192):
            raise ValueError(f"it gives the shape {tuple(given)}")
    except Exception as error:  # timm raises errors of all sorts
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(
            f"{spec.name} cannot stand on the encoder {spec.encoder!r} ({reason}): choose another "
            "one, such as 'resnet18' or 'tu-convnext_atto'."
        ) from error
