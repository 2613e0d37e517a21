"""Check the tensors of a network that was trained, or that came from a file."""

from torch import nn

from napari_segkit.tensor_file import network_tensors

from .finite import require_finite

UNBOUNDED = "levels"  # of SOLO: the range of its last grid has no end


def require_usable(network: nn.Module) -> None:
    """Refuse variances below 0, and sizes of anchors or grids that no training gives."""
    for name, buffer in network.named_buffers():
        counts = name.endswith(("running_var", "num_batches_tracked"))
        if counts and buffer.numel() and buffer.min() < 0:
            raise ValueError(f"the tensor {name} is negative")
    has_usable_sizes = getattr(network, "has_usable_sizes", None)
    if has_usable_sizes and not has_usable_sizes():
        raise ValueError("its anchors or grids are none that a training gives")


def require_finite_weights(network: nn.Module) -> None:
    """FloatingPointError for NaN or infinity: batch statistics can overflow where no loss does."""
    named = network_tensors(network).items()
    tensors = [tensor for name, tensor in named if name.rpartition(".")[2] != UNBOUNDED]
    require_finite("weights or batch statistics of the network", tensors)
