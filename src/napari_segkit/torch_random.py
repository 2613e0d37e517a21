"""Random operations of torch that draw from a given generator, in one thread only."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
RANDOM = torch.Tag.nondeterministic_seeded


class RandomSource:
    """A seed, with one generator per device."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}
        self._restored: dict[str, torch.Tensor] = {}  # for generators that are not made yet

    def generator(self, device: torch.device) -> torch.Generator:
        if device.type == "meta":  # nothing is drawn there
            device = torch.device("cpu")
        if device not in self._generators:
            generator = torch.Generator(device).manual_seed(self.seed)
            if str(device) in self._restored:
                generator.set_state(self._restored.pop(str(device)))
            self._generators[device] = generator
        return self._generators[device]

    def states(self) -> dict[str, torch.Tensor]:
        """State of each device's generator."""
        used = {str(device): g.get_state() for device, g in self._generators.items()}
        return self._restored | used

    def restore(self, states: Mapping[str, torch.Tensor]) -> None:
        """Go on from these states, on the devices that they are of."""
        self._generators.clear()
        self._restored = dict(states)
        if "cpu" in states:
            self.generator(torch.device("cpu"))  # an invalid state is an error here, not later


@contextmanager
def random_numbers(source: RandomSource) -> Iterator[None]:
    """Let torch's random operations inside draw from `source`, in this thread only.

    The global generators are neither used nor changed. `torch.random.fork_rng` cannot do this:
    all threads share the global generators. Gradient checkpointing, which no network here uses,
    would draw other numbers when it recomputes.
    """
    with _UseGenerator(source):
        yield


class _UseGenerator(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Pass a generator to each random operation that takes one."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first call imports torch._dynamo, which takes seconds

    @classmethod
    def is_infra_mode(cls) -> bool:
        return True  # else modes of several threads leave flags of torch.compile set

    def __init__(self, source: RandomSource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.source = source

    def __torch_dispatch__(
        self,
        func: OpOverload[..., object],
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if RANDOM not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        random_func = _with_generator(func)
        if random_func is not None:
            generator = self.source.generator(_device(args, kwargs))
            return random_func(*args, **kwargs, generator=generator)
        with self:
            result = func.decompose(*args, **kwargs)
        return func(*args, **kwargs) if result is NotImplemented else result


@cache
def _with_generator(func: OpOverload[..., object]) -> Callable[..., object] | None:
    """Return the overload of a random operation that takes a generator, or None.

    Those without one are composed of others, except fused attention, which draws for its dropout
    only; no network here uses that.
    """
    if func is aten.native_dropout.default:
        return _dropout
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    name, packet = func._overloadname, func.overloadpacket
    names = ["generator"] if name == "default" else [f"{name}_generator", f"generator_{name}"]
    return next((getattr(packet, n) for n in names if n in packet.overloads()), None)


def _dropout(
    values: torch.Tensor, p: float, train: bool | None, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace `aten.native_dropout` (fused, on GPUs), which takes no generator."""
    p = 0.0 if train is False else p
    mask = torch.empty_like(values).bernoulli_(1 - p, generator=generator)
    return values * mask / (1 - p if p < 1 else 1), mask.bool()


def _device(args: tuple[object, ...], kwargs: dict[str, object]) -> torch.device:
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
    tensor, device = next(tensors, None), kwargs.get("device")
    if tensor is not None:
        return tensor.device
    return torch.device(device if isinstance(device, str | torch.device) else "cpu")
