"""The training loop: optimiser, learning rate and time limit."""

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, Self, TypeVar

import torch

from napari_segkit.steps import Step
from napari_segkit.torch_random import random_numbers

from .events import TrainStep
from .state import TrainingState


class Movable(Protocol):
    """Targets of a batch: a tensor, or a list of them."""

    def to(self, device: torch.device, /) -> Self: ...


M = TypeVar("M", bound=Movable)


def train(
    state: TrainingState,
    batch: Callable[[], tuple[torch.Tensor, M]],
    loss: Callable[[torch.Tensor, M], torch.Tensor],
    after_epoch: Callable[[], Iterable[Step]] = tuple,
) -> Generator[Step, None, None]:
    """Train the network of `state` in place and yield after each step.

    It is in training mode between steps and in evaluation mode afterwards, also when the generator
    is closed. `loss` returns a scalar; FloatingPointError if it is not finite. `after_epoch` is
    called after each epoch and again at the end, and may yield steps, too.
    """
    schedule = state.schedule
    schedule.start()
    state.network.train()
    try:
        while True:
            if schedule.is_epoch_end:
                yield from after_epoch()
            schedule.tick()
            if state.finished or schedule.progress >= 1:
                yield from after_epoch()
                return
            yield _step(state, batch, loss)
    finally:
        state.network.eval()


def _step(
    state: TrainingState,
    batch: Callable[[], tuple[torch.Tensor, M]],
    loss: Callable[[torch.Tensor, M], torch.Tensor],
) -> TrainStep:
    schedule, optimiser = state.schedule, state.optimiser
    assert optimiser is not None
    for group in optimiser.param_groups:
        group["lr"] = schedule.learning_rate
    images, targets = batch()
    device = next(state.network.parameters()).device
    with random_numbers(state.random):
        value = loss(images.to(device), targets.to(device))
    _require_finite(value, schedule.done)
    optimiser.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    schedule.done += 1
    schedule.tick()
    state.images += len(images)
    state.history.append(value.item())
    return TrainStep(
        schedule.done,
        schedule.total,
        schedule.epoch,
        state.history[-1],
        schedule.seconds,
        state.images,
    )


def _require_finite(value: torch.Tensor, done: int) -> None:
    if not torch.isfinite(value):
        raise FloatingPointError(
            f"The loss became {value.item()} at step {done + 1}: choose a lower learning rate, or "
            "normalise the images."
        )
