"""Train a network that gives a class for every pixel."""

from collections.abc import Generator
from typing import Any

from torch.optim.swa_utils import update_bn

from napari_segkit.trained import TrainedModel

from .base import BaseTraining
from .loop import TrainStep, train
from .losses import CrossEntropyDice
from .sampling import Sampler

SETTLE = 10


class Training(BaseTraining):
    """One training by gradients on patches; made as `BaseTraining` is."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.sampler = Sampler(
            self.samples,
            self.tile_size,
            len(self.classes),
            augment=self.config.augment,
            seed=self.config.seed,
        )

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; after each step `trained` gives the model as it is then."""
        loss = CrossEntropyDice()
        for step in train(self.network, self.sampler.batch, loss, self.config, self.device):
            self.history.append(step.loss)
            self.last = step
            yield step

    def trained(self) -> TrainedModel:
        """The model as it is now, its batch statistics measured anew with these weights.

        The averages that batch normalisation keeps lag behind the weights by hundreds of steps,
        and a short training predicts nonsense with them.
        """
        batches = (self.sampler.batch(self.config.batch_size) for _ in range(SETTLE))
        update_bn(batches, self.network, self.device)
        return super().trained()
