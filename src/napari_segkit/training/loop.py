"""The training loop: optimiser, learning-rate schedule and time limit."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import cos, pi
from time import perf_counter
from typing import Any

import torch
from torch import nn

from napari_segkit.config import TrainConfig
from napari_segkit.steps import Step
from napari_segkit.torch_random import RandomSource, random_numbers

WARM_UP = 0.05  # fraction of the training with a rising learning rate


@dataclass(frozen=True)
class TrainStep(Step):
    """Progress of a training.

    Parameters
    ----------
    done, total : int
        As in `Step`.
    epoch : int
        Current epoch, counted from 1.
    loss : float
        Loss of this step's batch, before the weights were updated.
    seconds : float
        Time since the training began.
    images : int
        Number of patches trained on so far.
    """

    epoch: int
    loss: float
    seconds: float
    images: int


def train(
    network: nn.Module,
    batch: Callable[[int], tuple[torch.Tensor, Any]],
    loss: Callable[[torch.Tensor, Any], torch.Tensor],
    config: TrainConfig,
    device: torch.device,
    random: RandomSource,
) -> Generator[TrainStep, None, None]:
    """Train a network on `device` in place and yield after each step.

    The network is in training mode between steps and in evaluation mode afterwards, also when the
    generator is closed. `batch` returns images and targets for a batch size, `loss` a scalar.
    FloatingPointError if the loss is not finite.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate)
    total = config.epochs * config.steps_per_epoch
    began = perf_counter()
    network.train()
    try:
        for done in range(total):
            progress = max(done / total, _elapsed(began, config))
            if progress >= 1:
                return
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * _schedule(progress)
            images, targets = batch(config.batch_size)
            with random_numbers(random):
                value = loss(images.to(device), targets.to(device))
            _require_finite(value, done)
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield TrainStep(
                done + 1,
                total,
                done // config.steps_per_epoch + 1,
                value.item(),
                perf_counter() - began,
                (done + 1) * config.batch_size,
            )
    finally:
        network.eval()


def _elapsed(began: float, config: TrainConfig) -> float:
    """Used fraction of the time limit."""
    return (perf_counter() - began) / (60 * config.minutes) if config.minutes else 0.0


def _schedule(progress: float) -> float:
    """Linear warm-up, then cosine decay to zero."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    return 0.5 * (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP)))


def _require_finite(value: torch.Tensor, done: int) -> None:
    if not torch.isfinite(value):
        raise FloatingPointError(
            f"The loss became {value.item()} at step {done + 1}: choose a lower learning rate, or "
            "normalise the images."
        )
