"""Train networks that predict a class for every pixel."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from napari_segkit.config import AugmentConfig

from .gradient import GradientTrainer
from .losses import CrossEntropyDice
from .sampler import Sample, Sampler


class SemanticTrainer(GradientTrainer[Tensor]):
    """Gradient training on patches with a class index for every pixel."""

    _criterion = CrossEntropyDice()

    def _make_sampler(
        self, samples: Sequence[Sample], random: np.random.Generator, *, augment: AugmentConfig
    ) -> Sampler:
        classes = self.data.inputs.classes
        return Sampler(samples, self.patch, classes, augment=augment, random=random)

    def _loss(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        value: torch.Tensor = self._criterion(network(images), targets)
        return value

    def _measure_batch_statistics(self, network: nn.Module) -> None:
        """Recompute batch-normalisation statistics from the last batches.

        The running averages lag behind the weights by hundreds of steps, so a short training would
        predict nonsense with them.
        """
        update_bn(self._recent_images(), network.train())
