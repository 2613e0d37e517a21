"""Build networks without values, to check shapes and estimate memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode


class _RealRanges(TorchFunctionMode):
    """Keep `torch.linspace` on the CPU: some networks read numbers from it while being built."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if func is torch.linspace:
            kwargs = {"device": "cpu"} | (kwargs or {})
        return func(*args, **(kwargs or {}))


@contextmanager
def meta_device() -> Iterator[None]:
    """Build networks and tensors with shapes only, without values or memory."""
    with torch.device("meta"), _RealRanges():
        yield
