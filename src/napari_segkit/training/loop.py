"""The training loop: it knows batches and a loss, and nothing of images or labels."""

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

WARM_UP = 0.05  # share of the training over which the learning rate rises


@dataclass(frozen=True)
class TrainStep(Step):
    """One step of training.

    Parameters
    ----------
    epoch : int
        Which epoch, from 1.
    loss : float
        Loss of this step's batch, before the weights moved.
    seconds : float
        Since training began.
    images : int
        Patches seen so far.
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
    """Train a network in place.

    Parameters
    ----------
    network : torch.nn.Module
        On `device`. It is in training mode between steps and in evaluation mode afterwards,
        also when the generator is closed.
    batch : callable
        From a batch size to images and targets, both with a method ``to(device)``.
    loss : callable
        From images and targets, on `device`, to a scalar.
    config : TrainConfig
        Epochs, time limit, batch size and learning rate.
    device : torch.device
        Where the network is.
    random : RandomSource
        Where dropout and the like draw from.

    Yields
    ------
    TrainStep
        After each step.

    Raises
    ------
    FloatingPointError
        If the loss is not finite.
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
    """Share of the time limit that is used up."""
    return (perf_counter() - began) / (60 * config.minutes) if config.minutes else 0.0


def _schedule(progress: float) -> float:
    """A linear rise, then half a cosine down to zero."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    return 0.5 * (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP)))


def _require_finite(value: torch.Tensor, done: int) -> None:
    if not torch.isfinite(value):
        raise FloatingPointError(
            f"The loss became {value.item()} at step {done + 1}: lower the learning rate, or "
            "normalise the images."
        )
