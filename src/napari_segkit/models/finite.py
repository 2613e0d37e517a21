"""Numbers that are NaN or infinite, which no result may come from."""

from collections.abc import Iterable

import torch
from torch import Tensor

REMEDY = "normalise the images, or check them for extreme intensities"


def require_finite(what: str, tensors: Iterable[Tensor]) -> None:
    """FloatingPointError if a value of the tensors is NaN or infinite; `what` is their plural."""
    extremes = [t.aminmax() for t in tensors if t.is_floating_point() and t.numel()]
    finite = [torch.stack(pair).isfinite().all() for pair in extremes]  # far faster than of each
    if finite and not torch.stack(finite).all():
        raise FloatingPointError(f"The {what} became NaN or infinite: {REMEDY}.")
