"""Numbers that are NaN or infinite, which no result may come from."""

from collections.abc import Iterable

import torch
from torch import Tensor

REMEDY = "normalise the images, or check them for extreme intensities"


def require_finite(what: str, tensors: Iterable[Tensor]) -> None:
    """FloatingPointError if a value of the tensors is NaN or infinite; `what` is their plural."""
    finite = [tensor.isfinite().all() for tensor in tensors]
    if not torch.stack(finite).all():
        raise FloatingPointError(f"The {what} became NaN or infinite: {REMEDY}.")
