"""Check the tensors of a network that came from a file: they may have been changed."""

from torch import nn

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
