"""Train networks that predict a class for every pixel."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from napari_segkit.config import AugmentConfig

from .class_weights import balanced_weights
from .gradient import GradientTrainer
from .live_labels import LabelsChange
from .losses import StepLoss
from .sampler import Sample, Sampler
from .whole_images import PassSampler, WholeImageSampler


class SemanticTrainer(GradientTrainer[Tensor]):
    """Gradient training on patches with a class index for every pixel."""

    sampler: Sampler

    @cached_property
    def _criterion(self) -> StepLoss:
        weights = self._class_weights
        return StepLoss(self.config.loss, None if weights is None else torch.tensor(weights)).to(
            self.setup.device
        )

    @cached_property
    def _class_weights(self) -> list[float] | None:
        if self.config.class_weights is None:
            return None
        return balanced_weights(self.data.samples, self.data.ndim, self.data.target_values)

    def _make_sampler(
        self, samples: Sequence[Sample], random: np.random.Generator, *, augment: AugmentConfig
    ) -> Sampler:
        config, arguments = self.config, (samples, self.patch, self.data.target_values)
        neighbours = self.setup.spec.neighbour_slices
        make: Callable[..., Sampler] = partial(Sampler, three_axes=config.three_axes)
        if config.resize is not None and config.tile.tile_size is None:
            make = WholeImageSampler
            if config.steps_per_epoch is None:
                make = partial(PassSampler, seed=config.seed)
        return make(*arguments, augment=augment, random=random, neighbours=neighbours)

    def _loss(
        self, network: nn.Module, images: Tensor, targets: Tensor, whole: Tensor | None = None
    ) -> Tensor:
        value: torch.Tensor = self._criterion(network(images), targets, whole)
        return value

    def _labels_changed(self, change: LabelsChange) -> None:
        if change.pair is not None:
            self.sampler.refresh(change.pair, change.box)
        for stale in ("_criterion", "_class_weights", "_held_out_batches"):
            self.__dict__.pop(stale, None)

    def _measure_batch_statistics(self, network: nn.Module, batches: int) -> None:
        """Recompute batch-normalisation statistics from the last batches.

        The running averages lag behind the weights by hundreds of steps, so a short training would
        predict nonsense with them.
        """
        update_bn(self._recent_images(batches), network.train())

    def _provenance(self) -> dict[str, object]:
        weights = self._class_weights
        known = {} if weights is None else {"class_weights": [round(w, 6) for w in weights]}
        return super()._provenance() | known
