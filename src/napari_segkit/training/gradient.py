"""Trainings by gradient descent on patches: optimiser, learning rate and time limit."""

from abc import abstractmethod
from collections import deque
from collections.abc import Generator, Iterator
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from torch.optim import AdamW, Optimizer

from napari_segkit.steps import Step
from napari_segkit.torch_random import random_numbers

from .events import TrainStep
from .state import RECENT_BATCHES, RandomState
from .trainer import Trainer, TrainingSetup


class Movable(Protocol):
    """Targets of a batch: a tensor, or a list of them."""

    def to(self, device: torch.device, /) -> Self: ...


M = TypeVar("M", bound=Movable)
M_co = TypeVar("M_co", bound=Movable, covariant=True)


class BatchSource(Protocol[M_co]):
    """Where patches come from: a `Sampler`."""

    random: np.random.Generator

    def batch(self, count: int) -> tuple[torch.Tensor, M_co]: ...
    def redraw_images(self, count: int, state: RandomState) -> torch.Tensor: ...


class GradientTrainer(Trainer, Generic[M]):
    """Train the network on patches that a sampler draws."""

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__(setup)
        self.sampler = self._make_sampler()
        size, states = self.config.batch_size, self.state.recent
        redrawn = (self.sampler.redraw_images(size, state) for state in states)
        self.recent = deque(redrawn, RECENT_BATCHES)  # images may be out of reach at the end

    @abstractmethod
    def _make_sampler(self) -> BatchSource[M]: ...

    @abstractmethod
    def _loss(self, images: torch.Tensor, targets: M) -> torch.Tensor:
        """A scalar; the training ends with a FloatingPointError if it is not finite."""

    def _make_optimiser(self) -> Optimizer:
        return AdamW(self.network.parameters(), lr=self.config.learning_rate)

    def _events(self) -> Generator[Step, None, None]:
        """Train in training mode; the network is in evaluation mode when this ends or is closed."""
        schedule = self.state.schedule
        schedule.start()
        self.network.train()
        try:
            while True:
                if schedule.is_epoch_end:
                    yield from self._validated(schedule.done, schedule.total, schedule.epoch)
                schedule.tick()
                if self.state.finished or schedule.progress >= 1:
                    yield from self._validated(schedule.done, schedule.total, schedule.epoch)
                    return
                yield self._step()
        finally:
            self.network.eval()

    def _step(self) -> TrainStep:
        state, schedule, optimiser = self.state, self.state.schedule, self.state.optimiser
        assert optimiser is not None
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate
        images, targets = self._batch()
        device = self.setup.device
        with random_numbers(state.random):
            loss = self._loss(images.to(device), targets.to(device))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss.item()} at step {schedule.done + 1}: choose a lower "
                "learning rate, or normalise the images."
            )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.done += 1
        schedule.tick()
        state.images += len(images)
        state.history.append(loss.item())
        done, total, epoch = schedule.done, schedule.total, schedule.epoch
        return TrainStep(done, total, epoch, loss.item(), schedule.seconds, state.images)

    def _batch(self) -> tuple[torch.Tensor, M]:
        self.state.recent.append(self.sampler.random.bit_generator.state)
        images, targets = self.sampler.batch(self.config.batch_size)
        self.recent.append(images)
        return images, targets

    def _recent_images(self) -> Iterator[torch.Tensor]:
        """The last batches, to measure batch statistics on."""
        return (images.to(self.setup.device) for images in self.recent)
