"""Numbers that are NaN or infinite, which no result may come from."""

from collections.abc import Iterable

import torch
from torch import Tensor

REMEDY = "normalise the images, or check them for extreme intensities"


def require_finite(what: str, tensors: Iterable[Tensor]) -> None:
    """FloatingPointError if a value of the tensors is NaN or infinite; `what` is their plural."""
    checked = [t for t in tensors if t.is_floating_point() and t.numel()]
    sums = [t.sum(dtype=torch.float32) for t in checked]  # far faster than to look at each value
    if not sums or torch.stack(sums).isfinite().all():
        return
    if not all(t.isfinite().all() for t in checked):  # finite values may have an infinite sum
        raise FloatingPointError(f"The {what} became NaN or infinite: {REMEDY}.")
