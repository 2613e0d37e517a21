"""Random numbers of torch from a generator of one's own, whatever other threads draw."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
RANDOM = torch.Tag.nondeterministic_seeded


class RandomSource:
    """A seed, and a generator for each device that numbers are drawn on.

    Parameters
    ----------
    seed : int
        The same seed gives the same numbers on the same device.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def generator(self, device: torch.device) -> torch.Generator:
        """The generator for a device, the same one at each call."""
        if device.type == "meta":  # nothing is drawn there
            device = torch.device("cpu")
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[device]


@contextmanager
def random_numbers(source: RandomSource) -> Iterator[None]:
    """Let random operations of torch inside draw from `source`, in this thread only.

    torch's global generators are neither read nor moved. (`torch.random.fork_rng` and a lock do
    not help: all threads share the global generators.)
    """
    with _OwnGenerator(source):
        yield


class _OwnGenerator(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives a generator to each random operation that can take one."""

    def __init__(self, source: RandomSource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source = source

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        drawing = _drawing(func)
        if drawing is None or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        return drawing(*args, **kwargs, generator=self.source.generator(_device(args, kwargs)))


@cache
def _drawing(func: Any) -> Any:
    """The form of a random operation that takes a generator; None where there is none.

    Fused attention has none, which draws only where it drops out; no network here asks it to.
    """
    if RANDOM not in func.tags:
        return None
    if func is aten.native_dropout.default:
        return _dropout
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    name = "generator" if func._overloadname == "default" else f"{func._overloadname}_generator"
    return getattr(func.overloadpacket, name, None)


def _dropout(values: Any, p: float, train: bool | None, generator: torch.Generator) -> Any:
    """Dropout as graphics cards fuse it, which takes no generator."""
    kept = torch.empty_like(values).bernoulli_(1 - p if train else 1, generator=generator)
    return values * kept / (1 - p if train and p < 1 else 1), kept.bool()


def _device(args: Any, kwargs: dict[str, Any]) -> torch.device:
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
    tensor = next(tensors, None)
    return tensor.device if tensor is not None else torch.device(kwargs.get("device") or "cpu")
