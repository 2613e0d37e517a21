"""Trainings by gradient descent on patches."""

from abc import abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch.optim import AdamW, Optimizer

from napari_segkit.steps import Step

from .loop import Movable, train
from .state import RECENT_BATCHES, RandomState
from .trainer import Trainer, TrainingSetup

M = TypeVar("M", bound=Movable)
M_co = TypeVar("M_co", bound=Movable, covariant=True)


class BatchSource(Protocol[M_co]):
    """Where patches come from: a `Sampler`."""

    random: np.random.Generator

    def batch(self, count: int) -> tuple[torch.Tensor, M_co]: ...
    def again(self, count: int, state: RandomState) -> torch.Tensor: ...


class GradientTrainer(Trainer, Generic[M]):
    """Train the network on patches that a sampler draws."""

    def __init__(self, setup: TrainingSetup) -> None:
        super().__init__(setup)
        self.sampler = self._make_sampler()
        again = (self.sampler.again(self.config.batch_size, s) for s in self.state.recent)
        self.recent = deque(again, RECENT_BATCHES)  # the images may be out of reach at the end

    @abstractmethod
    def _make_sampler(self) -> BatchSource[M]: ...

    @abstractmethod
    def _loss(self, images: torch.Tensor, targets: M) -> torch.Tensor: ...

    def _make_optimiser(self) -> Optimizer:
        return AdamW(self.network.parameters(), lr=self.config.learning_rate)

    def _events(self) -> Generator[Step, None, None]:
        return train(self.state, self._batch, self._loss, self._after_epoch)

    def _after_epoch(self) -> Iterable[Step]:
        schedule = self.state.schedule
        return self._validated(schedule.done, schedule.total, schedule.epoch)

    def _batch(self) -> tuple[torch.Tensor, M]:
        self.state.recent.append(self.sampler.random.bit_generator.state)
        images, targets = self.sampler.batch(self.config.batch_size)
        self.recent.append(images)
        return images, targets

    def _recent_images(self) -> Iterator[torch.Tensor]:
        """The last batches, to measure batch statistics on."""
        return (images.to(self.setup.device) for images in self.recent)
