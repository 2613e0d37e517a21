"""Build networks without values, to check shapes and estimate memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _RealRanges(TorchFunctionMode):
    """Keep `torch.linspace` on the CPU: some networks read numbers from it while being built."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.linspace:
            kwargs = {"device": "cpu"} | (kwargs or {})
        return func(*args, **(kwargs or {}))


@contextmanager
def meta_device() -> Iterator[None]:
    """Build networks and tensors with shapes only, without values or memory."""
    with torch.device("meta"), _RealRanges():
        yield
