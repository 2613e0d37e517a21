"""Networks made for colour pictures that are to read images of any number of channels."""

from torch import nn


def set_channels(network: nn.Module, channels: int) -> None:
    """Let the first convolution of a network read so many channels.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place; a convolution that is replaced starts from random numbers.
    channels : int
        Channels of the images.
    """
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    if channels == first.in_channels:
        return
    first.in_channels = channels
    first.weight = nn.Parameter(
        first.weight.new_empty(first.out_channels, channels, *first.kernel_size)
    )
    first.reset_parameters()
