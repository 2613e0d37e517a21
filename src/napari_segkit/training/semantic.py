"""Train a network that gives a class for every pixel."""

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

SETTLE = 10


class SemanticTrainer(Trainer):
    """One training by gradients on patches; made as `Trainer` is."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sampler = Sampler(
            self.samples,
            self.patch,
            self.inputs.classes,
            augment=self.config.augment,
            seed=self.config.seed,
        )
        self._criterion = CrossEntropyDice()
        self._recent: deque[torch.Tensor] = deque(maxlen=SETTLE)

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; after each step `trained` gives the model as it is then."""
        for step in train(
            self.network, self._batch, self._loss, self.config, self.device, self.random
        ):
            self.history.append(step.loss)
            self.last = step
            yield step

    def settle(self, network: nn.Module) -> None:
        """Measure the batch statistics anew with the weights as they are now.

        The averages that batch normalisation keeps lag behind the weights by hundreds of steps,
        and a short training predicts nonsense with them. They are measured on the last batches,
        so that nothing is read once a training has ended.
        """
        update_bn(self._recent, network.train(), self.device)

    def _batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, targets = self.sampler.batch(count)
        self._recent.append(images)
        return images, targets

    def _loss(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = self._criterion(self.network(images), targets)
        return value
