"""Number format and memory layout of a network, by what the processor or card does fast."""

import torch
from torch import nn

from napari_segkit.config.training import Precision

from .registry import ModelInfo


def choose_precision(choice: Precision, device: torch.device) -> Precision:
    """The number format that "auto" stands for on a device."""
    if choice != "auto":
        return choice
    return "bfloat16" if _is_fast_in_bfloat16(device) else "float32"


def used_precision(info: ModelInfo, choice: Precision, device: torch.device) -> Precision:
    """The number format that a method predicts in; boxes need the digits of float32."""
    has_no_choice = "precision" in info.unused or info.has_masks
    return "float32" if has_no_choice else choose_precision(choice, device)


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Compute convolutions and products inside in this number format; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def fast_memory_format(device: torch.device, ndim: int) -> torch.memory_format:
    """The layout of images and weights for which training is fastest."""
    if ndim == 2 and (device.type == "cuda" or (device.type == "cpu" and _has_avx512())):
        return torch.channels_last
    return torch.contiguous_format


def prediction_format(network: nn.Module, device: torch.device, ndim: int) -> torch.memory_format:
    """The layout for which predicting is fastest; transformers turn images around by themselves."""
    has_transformer = any(isinstance(layer, nn.LayerNorm) for layer in network.modules())
    if ndim == 2 and device.type in ("cpu", "cuda") and not has_transformer:
        return torch.channels_last
    return torch.contiguous_format


def to_memory_format(network: nn.Module, layout: torch.memory_format) -> None:
    """Lay out the weights of convolutions in place."""
    network.to(memory_format=layout)


def _is_fast_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def _has_avx512() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"
