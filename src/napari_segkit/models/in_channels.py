"""Adapt networks made for RGB images to any number of channels."""

from torch import nn


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
