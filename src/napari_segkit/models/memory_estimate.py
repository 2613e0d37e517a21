"""Estimate parameters and memory of a model without allocating them."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import torch
from torch import nn

from napari_segkit.config import ModelSpec

from . import Inputs, build, model_info, network_inputs
from .meta_device import meta_device

FLOAT = 4  # bytes


@dataclass(frozen=True)
class MemoryEstimate:
    """Size of a model: parameters, and bytes for a batch including the model."""

    parameters: int
    training_memory: int
    prediction_memory: int
    at_least: bool = False


@lru_cache(maxsize=64)  # building a network takes up to a second; docks ask again and again
def estimate_memory(
    spec: ModelSpec,
    inputs: Inputs,
    patch: tuple[int, ...],
    batch_size: int,
    tile_size: tuple[int, ...] | None = None,
) -> MemoryEstimate:
    """Estimate memory by running the network on the meta device.

    `patch` and `tile_size` are edges in pixels. Training stores each parameter four times:
    itself, its gradient and two moments of the optimiser. Of instance networks only the encoder
    is run, since the rest depends on the objects. ValueError if the encoder does not fit.
    """
    with meta_device():
        network = build(spec, inputs)
        images = torch.empty(batch_size, network_inputs(spec, inputs).channels, *patch)
    parameters = sum(p.numel() for p in network.parameters())
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    encoder_only = model_info(spec.name).has_masks
    measured = network.get_submodule("backbone") if encoder_only else network
    stored, largest = _activations(measured, images)
    outputs = 0 if encoder_only else FLOAT * batch_size * inputs.classes * prod(patch)
    area_ratio = prod(tile_size or patch) / prod(patch)
    return MemoryEstimate(
        parameters,
        FLOAT * (parameters + 3 * trainable) + stored + 2 * outputs,
        FLOAT * parameters + int(area_ratio * 2 * (largest + outputs)),
        at_least=encoder_only,
    )


def _activations(network: nn.Module, images: torch.Tensor) -> tuple[int, int]:
    """Return bytes stored for backpropagation, and bytes of the largest tensor."""
    storages: dict[int, torch.UntypedStorage] = {}

    def store(tensor: torch.Tensor) -> None:  # nothing is unpacked: there is no backward pass
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            storages[storage._cdata] = storage

    with torch.autograd.graph.saved_tensors_hooks(store, lambda _: None):  # type: ignore[arg-type,return-value]
        network.train()(images.requires_grad_())
    sizes = [storage.nbytes() for storage in storages.values()]
    return sum(sizes), max(sizes, default=0)
