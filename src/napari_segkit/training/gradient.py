"""Trainings by gradient descent on patches: optimiser, learning rate and time limit."""

import warnings
from abc import abstractmethod
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from math import isfinite, nan
from statistics import fmean, median
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils import get_total_norm
from torch.optim import AdamW, Optimizer

from napari_segkit.config import AugmentConfig
from napari_segkit.images.labels import LabelsError
from napari_segkit.models.finite import REMEDY
from napari_segkit.steps import Step
from napari_segkit.torch_random import RandomSource, random_numbers

from .events import DivergenceWarning, TrainStep
from .sampler import Sample
from .scoring import LOSS_BATCHES
from .state import RECENT_BATCHES, RandomState
from .trainer import Trainer, TrainingSetup

UNCHANGED = AugmentConfig(augment=False)


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
        self.sampler = self._make_sampler(
            self.data.samples, self.state.sampling, augment=self.config.augment
        )
        size, states = self.config.batch_size, self.state.recent
        redrawn = (self.sampler.redraw_images(size, state) for state in states)
        self.recent = deque(redrawn, RECENT_BATCHES)  # images may be out of reach at the end

    @abstractmethod
    def _make_sampler(
        self, samples: Sequence[Sample], random: np.random.Generator, *, augment: AugmentConfig
    ) -> BatchSource[M]: ...

    @abstractmethod
    def _loss(self, network: nn.Module, images: torch.Tensor, targets: M) -> torch.Tensor:
        """A scalar; the training ends if it, or the slope of a weight, is not finite."""

    def _make_optimiser(self) -> Optimizer:
        return AdamW(self.network.parameters(), lr=self.config.learning_rate)

    def _events(self) -> Generator[Step, None, None]:
        """Train in training mode; the network is in evaluation mode when this ends or is closed."""
        self.state.schedule.start()
        self.network.train()
        try:
            yield from self._steps()
        except FloatingPointError as error:
            self._end_early(error)
        finally:
            self.network.eval()

    def _steps(self) -> Generator[Step, None, None]:
        """Train and validate; FloatingPointError if something becomes NaN or infinite."""
        schedule = self.state.schedule
        while True:
            if schedule.is_epoch_end and schedule.epoch % self.interval == 0:
                yield from self._validated(schedule.done, schedule.total, schedule.epoch)
            schedule.tick()
            if self.state.finished or schedule.progress >= 1:
                yield from self._validated(schedule.done, schedule.total, schedule.epoch)
                return
            yield self._step()

    def _held_out_loss(self, network: nn.Module) -> float:
        """Mean loss on the same patches each time, which are not augmented."""
        device, losses = self.setup.device, []
        with torch.no_grad(), random_numbers(RandomSource(self.config.seed)):
            for images, targets in self._held_out_batches:
                losses.append(self._loss(network, images.to(device), targets.to(device)).item())
        return fmean(losses) if losses else nan

    @cached_property
    def _held_out_batches(self) -> list[tuple[torch.Tensor, M]]:
        if not self.data.held_out:
            return []
        random = np.random.default_rng(self.config.seed)
        try:
            sampler = self._make_sampler(
                self.data.held_out, random, augment=AugmentConfig(augment=False)
            )
        except LabelsError:  # regions too narrow for a patch of objects
            return []
        return [sampler.batch(self.config.batch_size) for _ in range(LOSS_BATCHES)]

    def _end_early(self, error: FloatingPointError) -> None:
        """End a training that diverged with the model before; raise if it has learned nothing."""
        losses = self.state.history
        if self.state.best is None:
            count = min(10, max(1, len(losses) // 4))  # one loss alone is noisy
            if not losses or median(losses[-count:]) >= median(losses[:count]):
                raise error
            self.snapshot()  # raises if the model before is not finite either
        warnings.warn(
            f"{error} The training ended there, and the model from before is kept.",
            DivergenceWarning,
            stacklevel=2,
        )

    def _step(self) -> TrainStep:
        state, schedule, optimiser = self.state, self.state.schedule, self.state.optimiser
        assert optimiser is not None
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate
        drawn_from = state.sampling.bit_generator.state
        images, targets = self._batch()
        device = self.setup.device
        with random_numbers(state.random):
            loss = self._loss(self.network, images.to(device), targets.to(device))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        value = self._finite(loss)  # before the weights are changed, so they stay finite
        optimiser.step()
        state.recent.append(drawn_from)
        self.recent.append(images)
        schedule.done += 1
        schedule.tick()
        state.images += len(images)
        state.history.append(value)
        done, total, epoch = schedule.done, schedule.total, schedule.epoch
        return TrainStep(done, total, epoch, value, schedule.seconds, state.images)

    def _finite(self, loss: torch.Tensor) -> float:
        """The loss; FloatingPointError unless it and its slopes are finite."""
        slopes = [p.grad for p in self.network.parameters() if p.grad is not None]
        value, steepness = torch.stack([loss.detach(), get_total_norm(slopes)]).tolist()
        for name, number in {"loss": value, "gradient": steepness}.items():
            if not isfinite(number):
                step = self.state.schedule.done + 1
                raise FloatingPointError(
                    f"The {name} became {number} at step {step}: choose a lower learning rate, "
                    f"{REMEDY}."
                )
        return float(value)

    def _batch(self) -> tuple[torch.Tensor, M]:
        return self.sampler.batch(self.config.batch_size)

    def _recent_images(self) -> Iterator[torch.Tensor]:
        """The last batches, to measure batch statistics on."""
        return (images.to(self.setup.device) for images in self.recent)
