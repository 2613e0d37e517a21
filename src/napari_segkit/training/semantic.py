"""Train networks that predict a class for every pixel."""

from collections import deque
from collections.abc import Generator
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from .loop import TrainStep, train
from .losses import CrossEntropyDice
from .sampler import Sampler
from .trainer import Trainer

RECENT_BATCHES = 10


class SemanticTrainer(Trainer):
    """Gradient training on patches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = Sampler(
            self.samples,
            self.patch,
            self.inputs.classes,
            augment=self.config.augment,
            seed=self.config.seed,
        )
        self._criterion = CrossEntropyDice()
        self._recent: deque[torch.Tensor] = deque(maxlen=RECENT_BATCHES)

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; `trained()` returns the current model after each step."""
        for step in train(
            self.network, self._batch, self._loss, self.config, self.device, self.random
        ):
            self.history.append(step.loss)
            self.last = step
            yield step

    def measure_batch_statistics(self, network: nn.Module) -> None:
        """Recompute batch-normalisation statistics from the last batches.

        The running averages lag behind the weights by hundreds of steps, so a short training would
        predict nonsense with them.
        """
        update_bn(self._recent, network.train(), self.device)

    def _batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, targets = self.sampler.batch(count)
        self._recent.append(images)
        return images, targets

    def _loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self._criterion(self.network(images), targets)
        return value
