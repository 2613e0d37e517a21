"""Train networks that predict a class for every pixel."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from .gradient import GradientTrainer
from .losses import CrossEntropyDice
from .sampler import Sampler
from .whole_images import PassSampler, WholeImageSampler


class SemanticTrainer(GradientTrainer[Tensor]):
    """Gradient training on patches with a class index for every pixel."""

    _criterion = CrossEntropyDice()

    def _make_sampler(self) -> Sampler:
        data, config = self.data, self.config
        arguments = data.samples, self.patch, data.inputs.classes
        random = self.state.sampling
        if config.resize is None or config.tile.tile_size is not None:
            return Sampler(*arguments, augment=config.augment, random=random)
        if config.steps_per_epoch is not None:
            return WholeImageSampler(*arguments, augment=config.augment, random=random)
        return PassSampler(*arguments, augment=config.augment, random=random, seed=config.seed)

    def _loss(self, images: Tensor, targets: Tensor) -> Tensor:
        value: torch.Tensor = self._criterion(self.network(images), targets)
        return value

    def _measure_batch_statistics(self, network: nn.Module) -> None:
        """Recompute batch-normalisation statistics from the last batches.

        The running averages lag behind the weights by hundreds of steps, so a short training would
        predict nonsense with them.
        """
        update_bn(self._recent_images(), network.train())
