"""Networks with shapes and no numbers: what they weigh and whether they fit, at no cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _RealRanges(TorchFunctionMode):
    """Ranges are real: some networks read depths and rates from them while they are built."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.linspace:
            kwargs = {"device": "cpu"} | (kwargs or {})
        return func(*args, **(kwargs or {}))


@contextmanager
def meta_device() -> Iterator[None]:
    """Networks built and tensors made inside have shapes, and neither numbers nor memory."""
    with torch.device("meta"), _RealRanges():
        yield
