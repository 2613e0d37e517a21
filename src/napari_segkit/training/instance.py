"""Train networks that predict object masks: Mask R-CNN, SOLO."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_segkit.config import AugmentConfig
from napari_segkit.config.training import Precision
from napari_segkit.instances.diameters import training_box_lengths
from napari_segkit.torch_random import RandomSource

from .gradient import GradientTrainer
from .instance_sampler import ObjectSampler, Targets
from .sampler import Sample


class InstanceTrainer(GradientTrainer[Targets]):
    """Gradient training on patches with the objects in them."""

    network: Any  # Mask R-CNN or SOLO, see the contract "Instance network"
    tile_ratio = 2  # objects need context beyond a patch
    smallest_part = 1  # nothing is normalised over a batch

    @property
    def precision(self) -> Precision:
        """Full unless it is chosen: sampled boxes and their targets depend on small differences."""
        choice = self.config.precision
        return "float32" if choice == "auto" else choice

    def _build(self, random: RandomSource) -> nn.Module:
        network: Any = super()._build(random)
        if self.setup.start is not None:
            return network  # with the sizes that its weights were trained with
        data = self.data
        pairs = ((np.asarray(s.indices.data), s.image) for s in data.samples)
        sizes = [training_box_lengths(ids, image, data.ndim) for ids, image in pairs]
        network.set_sizes(np.concatenate(sizes))
        return network

    def _make_sampler(
        self, samples: Sequence[Sample], random: np.random.Generator, *, augment: AugmentConfig
    ) -> ObjectSampler:
        is_held_out = samples is self.data.held_out
        class_of = self.data.held_out_class_of if is_held_out else self.data.class_of
        assert class_of is not None
        return ObjectSampler(
            samples,
            self.patch,
            class_of,
            augment=augment,
            random=random,
            neighbours=self.setup.spec.neighbour_slices,
        )

    def _held_out_loss(self, network: nn.Module) -> float:
        """As in `GradientTrainer`, of a copy: only in training mode there is a loss."""
        return super()._held_out_loss(deepcopy(network).train())

    def _loss(
        self, network: nn.Module, images: Tensor, targets: Targets, whole: Targets | None = None
    ) -> Tensor:
        """Means over what the network samples, so those of parts add up approximately."""
        losses = network(images, targets).values()
        share = 1.0 if whole is None else len(targets) / len(whole)
        return share * torch.stack(list(losses)).sum()

    def _measure_batch_statistics(self, network: Any, batches: int) -> None:
        network.measure_batch_statistics(self._recent_images(batches))

    def _provenance(self) -> dict[str, object]:
        return super()._provenance() | {"sizes": self.network.sizes_text()}
