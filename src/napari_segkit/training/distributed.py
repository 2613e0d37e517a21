"""A training that several processes share: each computes its part of every batch.

All of them draw the same batches from the same random numbers, and each computes the gradients of
its own patches. They are added up after the backward pass rather than during it, as torch's
`DistributedDataParallel` does: so a process whose memory runs out can try again in smaller parts,
and one that fails can tell the others, which would wait for its gradients in vain.

Before each change of the weights all processes meet. The first one ends the training, of which
it alone validates, writes and speaks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from napari_segkit.devices import choose
from napari_segkit.torch_random import RandomSource

from .micro_batches import even_parts

PATIENCE = timedelta(hours=12)  # while the first process validates or writes
LOST = (
    "Another process of this training has ended or cannot be reached; what it said stands above, "
    "or in the log of torchrun."
)


class TrainingEnded(BaseException):
    """The first process has ended the training; no error, as GeneratorExit is none."""


class OtherProcessError(RuntimeError):
    """Another process of the training has failed."""


@dataclass(eq=False)
class Processes:
    """The processes of a training, and which of them this one is.

    Parameters
    ----------
    rank : int
        Number of this process; 0 is the first one.
    count : int
        Number of processes; 1 where a training is not shared.

    Attributes
    ----------
    signal : int
        Number of the signal that asked any of them to end, or 0.
    status : int
        Exit status of the first process, once it has ended.
    is_lost : bool
        Whether the others cannot be reached any more.
    """

    rank: int = 0
    count: int = 1
    signal: int = 0
    status: int = 1
    is_lost: bool = False

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def most_patches(self, batch_size: int) -> int:
        """Patches of a full batch that one process computes at most."""
        return -(-batch_size // self.count)

    def share(self, patches: int, fewest: int) -> slice:
        """Which patches of a batch this process computes: none, or as few as `fewest`."""
        busy = max(1, min(self.count, patches // fewest))
        return [*even_parts(patches, busy), *[slice(0, 0)] * (self.count - busy)][self.rank]

    def random_numbers(self, first: RandomSource, seed: int, step: int) -> RandomSource:
        """Random numbers of a step, such as dropout's: other ones in each process."""
        if self.is_first:
            return first
        own = np.random.SeedSequence((seed, self.rank, step))
        return RandomSource(int(own.generate_state(1)[0]))

    def begin(self, network: nn.Module, facts: Mapping[str, object]) -> None:
        """Check that all processes train the same on the same, and give all the same weights."""
        self.meet()
        known: list[Mapping[str, object]] = [{}] * self.count
        dist.all_gather_object(known, facts)
        for rank, other in enumerate(known):
            if differing := [name for name in known[0] if other.get(name) != known[0][name]]:
                raise ValueError(
                    f"Process {rank + 1} of {self.count} has other {' and '.join(differing)} than "
                    "the first one: start all of them with the same command on the same files."
                )
        weights = [p.detach() for p in network.parameters()]
        shared = torch.cat([w.flatten() for w in weights])
        dist.broadcast(shared, 0)
        _copy_into(weights, shared)

    def meet(self, seconds: float = 0.0) -> float:
        """Wait for the others; returns the seconds that the first one gives.

        Raises TrainingEnded if the first one has ended, and there OtherProcessError if another one
        has failed; the others then wait for its end.
        """
        return seconds if self.count == 1 else self._meet(seconds)

    def add_up(self, network: nn.Module, loss: Tensor) -> Tensor:
        """Add up the gradients of all processes, and their losses, which are returned."""
        if self.count == 1:
            return loss
        weights = [p for p in network.parameters() if p.requires_grad]
        is_used = [float(w.grad is not None) for w in weights]
        slopes = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        head = [loss.detach().float().reshape(1), torch.tensor(is_used, device=loss.device)]
        shared = torch.cat([*head, *(slope.flatten() for slope in slopes)])
        dist.all_reduce(shared)
        used, total = shared[1 : 1 + len(weights)].tolist(), shared[1 + len(weights) :]
        _copy_into(slopes, total)
        for weight, slope, users in zip(weights, slopes, used, strict=True):
            weight.grad = slope if users else None
        return shared[0]

    def leave(self, status: int) -> None:
        """End the training of all processes, from the first one, with this exit status."""
        if self.count > 1 and not self.is_lost:
            with suppress(OtherProcessError):  # it has ended anyway
                self._exchange(is_over=True, status=status)

    def wait(self, problem: str = "") -> None:
        """Wait until the first process has ended, after telling it why this one cannot go on."""
        with suppress(TrainingEnded, OtherProcessError):
            while not self.is_lost:
                self._meet(problem=problem)
                problem = ""

    def _meet(self, seconds: float = 0.0, problem: str = "") -> float:
        while True:
            told, seconds, is_over = self._exchange(seconds, problem)
            if is_over:
                raise TrainingEnded
            if not told:
                return seconds
            if self.is_first:
                number, text = next((n, text) for n, text in enumerate(told, 1) if text)
                raise OtherProcessError(f"Process {number} of {self.count}: {text}")
            problem = ""  # was told

    def _exchange(
        self, seconds: float = 0.0, problem: str = "", *, is_over: bool = False, status: int = 0
    ) -> tuple[list[str], float, bool]:
        """Problems of the processes, if there are any, seconds, and whether the first has ended."""
        own = [bool(problem), is_over, self.signal, status, seconds if self.is_first else -np.inf]
        shared = torch.tensor(own, dtype=torch.float64)
        told: list[str] = []
        try:
            dist.all_reduce(shared, dist.ReduceOp.MAX)
            has_failed, ended, signal, status, seconds = shared.tolist()
            if has_failed:
                told = [""] * self.count
                dist.all_gather_object(told, problem)
        except RuntimeError as error:
            self.is_lost = True
            raise OtherProcessError(LOST) from error
        self.signal, self.status = int(signal), int(status) if ended else self.status
        return told, seconds, bool(ended)


_current = Processes()


def current() -> Processes:
    """The processes of this training; this one alone if it was not started by `joined`."""
    return _current


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun has started, if it has started this one.

    They are found by the environment variables that every such launcher sets.
    """
    global _current
    numbers = [_number(name) for name in ("RANK", "WORLD_SIZE")]
    if None in numbers or numbers[1] == 1:
        yield _current
        return
    _connect()
    _current = Processes(*numbers)  # type: ignore[arg-type]
    try:
        yield _current
    finally:
        _current = Processes()
        dist.destroy_process_group()


def own_device(device: str) -> str:
    """The device of this process: each of a computer has a graphics card of its own."""
    chosen, local = choose(device), _number("LOCAL_RANK") or 0
    if chosen.type == "mps" and device == "auto":
        return "cpu"
    if chosen.type == "mps":
        raise ValueError("device is 'mps', which processes cannot share: choose 'cpu'.")
    if chosen.type != "cuda":
        return device
    here, cards = _number("LOCAL_WORLD_SIZE") or 1, torch.cuda.device_count()
    if device not in ("auto", "cuda"):
        raise ValueError(
            f"device is {device!r}, one graphics card for all processes: choose 'cuda', which "
            "gives each its own, or start one process."
        )
    if here > cards:
        raise ValueError(
            f"{here} processes were started on a computer with {cards} graphics cards: start "
            f"{cards}, or choose device='cpu'."
        )
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def require_shareable(name: str, count: int, batch_size: int, fewest: int | None) -> None:
    """Refuse a model without batches, and batches of which some processes would get nothing.

    `fewest` patches can be computed alone; None if the model is not trained in batches.
    """
    if count == 1:
        return
    if fewest is None:
        raise ValueError(
            f"{count} processes cannot share the training of {name}, which is no network trained "
            "in batches: start one process, without torchrun."
        )
    if batch_size < count * fewest:
        reason = " (batch normalisation needs two patches in each)" * (fewest > 1)
        raise ValueError(
            f"A batch of {batch_size} patches is too small for {count} processes: choose a batch "
            f"size of at least {count * fewest}{reason}, or start fewer processes."
        )


def _connect() -> None:
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ValueError(
            f"RANK and WORLD_SIZE say that several processes train together, but not where they "
            f"meet ({' and '.join(missing)}): start them with torchrun."
        )
    with_cards = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if with_cards else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise OSError(f"The processes could not meet at {place}: {error}") from error


def _number(name: str) -> int | None:
    """A whole number of the environment; None if it is not set."""
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r} in the environment: torchrun sets a whole number.")
    return int(text)


@torch.no_grad()
def _copy_into(tensors: Sequence[Tensor], flat: Tensor) -> None:
    """Copy one vector into tensors, each in its own memory layout."""
    parts = flat.split([t.numel() for t in tensors])  # type: ignore[no-untyped-call]
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))
