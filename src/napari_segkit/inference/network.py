"""The network that predicts: a copy of the trained one, in the form that computes fastest."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from napari_segkit.config.training import Precision
from napari_segkit.models.precision import autocast, prediction_format

if TYPE_CHECKING:
    from napari_segkit.trained_model import TrainedModel

TOLERANCE = 1e-4  # of the largest output: how far folding may change one
Stamp: TypeAlias = tuple[object, ...]


@dataclass(frozen=True)
class PredictionNetwork:
    """A prepared network: called with a batch, it gives what the trained one gives.

    Parameters
    ----------
    module : Module
        The copy. What it did not have to change it shares with the trained network.
    precision : Precision
        Number format of convolutions and products.
    layout : memory_format
        Of batches.
    device : device
        Where it is.
    """

    module: nn.Module
    precision: Precision
    layout: torch.memory_format
    device: torch.device

    def __call__(self, images: Tensor) -> Any:
        with autocast(self.precision, self.device):
            return self.module(images.to(memory_format=self.layout))


_prepared: WeakKeyDictionary[nn.Module, tuple[Stamp, PredictionNetwork]] = WeakKeyDictionary()
_lock = Lock()


def network_of(
    model: "TrainedModel", device: torch.device, precision: Precision
) -> PredictionNetwork:
    """The network that predicts for a model, which is on the device; prepared once.

    It is prepared anew when the weights have changed since.
    """
    if "precision" in model.info.unused:
        return PredictionNetwork(model.network, "float32", torch.contiguous_format, device)
    with _lock:
        stamp = (device, precision, *_versions(model.network))
        if model.network not in _prepared or _prepared[model.network][0] != stamp:
            _prepared[model.network] = stamp, _prepare(model, device, precision)
        return _prepared[model.network][1]


def _versions(network: nn.Module) -> Iterator[tuple[int, int]]:
    """Change when a weight is replaced, moved or written to."""
    for tensor in (*network.parameters(), *network.buffers()):
        yield tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version


@torch.inference_mode(False)
@torch.no_grad()
def _prepare(
    model: "TrainedModel", device: torch.device, precision: Precision
) -> PredictionNetwork:
    copy = _folded(model, device)
    layout = prediction_format(copy, device, model.ndim)
    for layer in copy.modules():
        if isinstance(layer, _ConvNd) and layer.weight.ndim == model.ndim + 2:
            layer.weight = _frozen(layer.weight.contiguous(memory_format=layout))
        if precision == "bfloat16" and isinstance(layer, _ConvNd | nn.Linear):
            layer.weight = _frozen(layer.weight.to(torch.bfloat16))
            layer.bias = None if layer.bias is None else _frozen(layer.bias.to(torch.bfloat16))
    return PredictionNetwork(copy, precision, layout, device)


def _frozen(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)


def _folded(model: "TrainedModel", device: torch.device) -> nn.Module:
    """A copy with batch norm in the convolutions; without, if that changes what it gives."""
    from napari_segkit.models.fold import fold_batch_norm  # loads torchvision

    network, random = model.network, torch.Generator().manual_seed(0)
    shape = (1, model.channels * model.spec.slices, *(2 * step for step in model.strides))
    images = torch.rand(shape, generator=random).to(device)
    folded = shared_copy(network)
    part = "backbone" if model.info.has_masks else ""  # boxes of noise cannot be compared
    try:
        fold_batch_norm(folded.get_submodule(part), images)
        pairs = [_tensors(each.get_submodule(part)(images)) for each in (network, folded)]
    except Exception:  # noqa: BLE001 (networks of others, which may look into their layers)
        return shared_copy(network)
    return folded if all(map(_is_close, *pairs)) else shared_copy(network)


def shared_copy(network: nn.Module) -> nn.Module:
    """A copy of the layers, which hold the same tensors."""
    tensors = (*network.parameters(), *network.buffers())
    return deepcopy(network, {id(tensor): tensor for tensor in tensors})


def _tensors(output: Any) -> Sequence[Tensor]:
    if isinstance(output, Mapping):
        return list(output.values())
    return [output]


def _is_close(first: Tensor, second: Tensor) -> bool:
    return bool((first - second).abs().max() <= TOLERANCE * first.abs().max())
