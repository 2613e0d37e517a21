"""``segkit train`` in the processes that torchrun starts: the first one speaks and writes."""

import os
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.steps import drain

from .signals import on_signals
from .terminal import USER_ERRORS, error_line

if TYPE_CHECKING:
    from napari_segkit.training.distributed import Processes

Train = Callable[[Namespace], int]


def run_together(args: Namespace, train: Train, less_memory: str) -> int:
    """Run a training in the processes that torchrun has started, or here alone.

    Gives the exit status. `less_memory` says what to do if memory has run out.
    """
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        return train(args)
    from napari_segkit.training.distributed import joined

    with joined() as processes:
        if processes.is_first:
            return _lead(processes, args, train)
        with _silent():
            return _follow(processes, args, train, less_memory)


def follow(steps: Generator[object, object, object]) -> int:
    """Train in another process than the first one, which ends the training.

    A signal asks that one to end. One that diverges ends here, as it does there.
    """
    from napari_segkit.training.distributed import current

    processes = current()

    def ask(number: int) -> None:
        processes.signal = number

    with on_signals(ask):
        drain(steps)
    return 0


def require_shareable(spec: ModelSpec, config: TrainConfig) -> None:
    """Refuse a training that the processes cannot share."""
    from napari_segkit.training import distributed, trainer_of

    count = distributed.current().count
    if count > 1:
        fewest = trainer_of(spec).smallest_part
        distributed.require_shareable(spec.name, count, config.batch_size, fewest)


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    from napari_segkit.training.distributed import current

    return current().is_first


def _lead(processes: "Processes", args: Namespace, train: Train) -> int:
    status = 2
    try:
        status = _train_here(args, train)
        return status
    finally:
        processes.leave(status)


def _follow(processes: "Processes", args: Namespace, train: Train, less_memory: str) -> int:
    from napari_segkit.training.distributed import TrainingEnded

    problem = ""
    try:
        _train_here(args, train)
    except TrainingEnded:
        return processes.status
    except USER_ERRORS as error:
        problem = error_line(error, less_memory)
    processes.wait(problem)  # for what the first one saves
    return processes.status


def _train_here(args: Namespace, train: Train) -> int:
    from napari_segkit.training.distributed import own_device

    args.device = own_device(args.device)
    return train(args)


@contextmanager
def _silent() -> Iterator[None]:
    """Write nothing to the terminal, and end at once by a signal that comes before the training."""
    with (
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        on_signals(lambda number: os._exit(128 + number)),
    ):
        yield
