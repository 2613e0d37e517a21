"""Adapt networks made for RGB images to any number of channels."""

import warnings
from collections.abc import Callable
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def set_channels(network: nn.Module, channels: int) -> None:
    """Change the first convolution of a network to `channels`, in place, with random weights."""
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    if channels == first.in_channels:
        return
    first.in_channels = channels
    first.weight = nn.Parameter(
        first.weight.new_empty(first.out_channels, channels, *first.kernel_size)
    )
    first.reset_parameters()


def build_smp(make: Callable[..., Network], encoder: str, channels: int) -> Network:
    """Call a function of smp with `in_channels`, where some encoders take only RGB."""
    rgb_only = encoder.startswith("mit_")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # names like timm-...
        network = make(in_channels=3 if rgb_only else channels)
    if rgb_only:
        set_channels(network, channels)
    return network
