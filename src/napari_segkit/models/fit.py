"""Whether a network can be built from its parts: an encoder of timm, options of the builder."""

from functools import cache

import torch

from napari_segkit.config import ModelSpec
from napari_segkit.config.options import options_to_text

from . import Inputs, model_info, stride
from .meta_device import meta_device


@cache
def require_fit(spec: ModelSpec, inputs: Inputs) -> None:
    """Raise ValueError unless the network can be built and keeps the size of its input."""
    try:
        edges = [4 * step for step in stride(spec, inputs.spacing)]
        shape = (2, inputs.channels, *edges[:-1], edges[-1] * 3 // 2)
        with meta_device():
            network = model_info(spec.name).family().build(spec, inputs)
            result = tuple(network(torch.zeros(shape)).shape)
        if result != (2, inputs.classes, *shape[2:]):
            raise ValueError(f"its output has the shape {result} for an input of {shape}")
    except Exception as error:  # the libraries raise errors of all sorts
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(_sentence(spec, reason)) from error


def _sentence(spec: ModelSpec, reason: str) -> str:
    if spec.options:
        return (
            f"{spec.name} with the encoder {spec.encoder} cannot be built with "
            f"{options_to_text(spec.options)} ({reason}): change or leave out these options."
        )
    return (
        f"{spec.name} is incompatible with the encoder {spec.encoder!r} ({reason}): choose "
        "another one, such as 'resnet18' or 'tu-convnext_atto'."
    )
