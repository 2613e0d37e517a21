"""What a model weighs: parameters and memory, found without allocating either."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from napari_segkit.config import ModelSpec

from . import Inputs, build, kind_of
from .meta_device import meta_device

FLOAT = 4  # bytes


@dataclass(frozen=True)
class MemoryEstimate:
    """What a model weighs.

    Parameters
    ----------
    parameters : int
        Numbers that it learns.
    training_memory, prediction_memory : int
        Bytes for a batch of tiles, the model included: an estimate.
    at_least : bool
        The memory is that of the encoder alone: what finds objects one by one needs more, the
        more objects there are.
    """

    parameters: int
    training_memory: int
    prediction_memory: int
    at_least: bool = False


def details(
    spec: ModelSpec,
    inputs: Inputs,
    patch: Sequence[int],
    batch_size: int,
    tile_size: Sequence[int] | None = None,
) -> MemoryEstimate:
    """Weigh a model by running it without its numbers.

    Parameters
    ----------
    spec : ModelSpec
        Its encoder named.
    inputs : Inputs
        Channels, classes, voxel size.
    patch : sequence of int
        Edges of what it learns from, multiples of the model's stride.
    batch_size : int
        Patches or tiles in a batch.
    tile_size : sequence of int, optional
        Edges of the tiles it predicts in, where these are no patches.

    Returns
    -------
    MemoryEstimate
        Training keeps, besides what backpropagation needs, each parameter four times: itself, its
        gradient, and the optimiser's two moments. Of a network that finds objects one by one
        only the encoder is run: what follows depends on what it finds.

    Raises
    ------
    ValueError
        If the method cannot stand on the encoder.
    """
    with meta_device():
        network = build(spec, inputs)
        images = torch.empty(batch_size, inputs.channels, *patch)
    parameters = sum(p.numel() for p in network.parameters())
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    by_ones = kind_of(spec) == "instance"
    weighed: Any = network.backbone if by_ones else network
    kept, largest = _activations(weighed, images)
    outputs = 0 if by_ones else FLOAT * batch_size * inputs.classes * prod(patch)
    larger = prod(tile_size or patch) / prod(patch)
    return MemoryEstimate(
        parameters,
        FLOAT * (parameters + 3 * learned) + kept + 2 * outputs,
        FLOAT * parameters + int(larger * 2 * (largest + outputs)),
        at_least=by_ones,
    )


def _activations(network: nn.Module, images: torch.Tensor) -> tuple[int, int]:
    """Bytes that backpropagation keeps, and the largest tensor on the way."""
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> None:  # nothing is unpacked: it never goes back
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda _: None):  # type: ignore[arg-type,return-value]
        network.train()(images.requires_grad_())
    sizes = [storage.nbytes() for storage in kept.values()]
    return sum(sizes), max(sizes, default=0)
