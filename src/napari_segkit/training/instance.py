"""Train networks that predict object masks: Mask R-CNN, SOLO."""

from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.instances.diameters import training_box_lengths

from .instance_sampler import ObjectSampler, Targets
from .loop import TrainStep, train
from .trainer import Trainer

RECENT_BATCHES = 10


class InstanceTrainer(Trainer):
    """Gradient training on patches with the objects in them."""

    network: Any
    class_of: NDArray[np.intp]
    tile_ratio = 2  # objects need context beyond a patch

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler = ObjectSampler(
            self.samples,
            self.patch,
            self.class_of,
            augment=self.config.augment,
            seed=self.config.seed,
        )
        indices = [np.asarray(s.indices.data) for s in self.samples]
        pairs = zip(indices, self.samples, strict=True)
        sizes = [training_box_lengths(ids, s.image, self.ndim) for ids, s in pairs]
        self.network.set_sizes(np.concatenate(sizes))
        self._recent: deque[torch.Tensor] = deque(maxlen=RECENT_BATCHES)

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; `trained()` returns the current model after each step."""
        for step in train(
            self.network, self._batch, self._loss, self.config, self.device, self.random
        ):
            self.history.append(step.loss)
            self.last = step
            yield step

    def measure_batch_statistics(self, network: Any) -> None:
        network.measure_batch_statistics(images.to(self.device) for images in self._recent)

    def _batch(self, count: int) -> tuple[torch.Tensor, Targets]:
        images, targets = self.sampler.batch(count)
        self._recent.append(images)
        return images, targets

    def _loss(self, images: torch.Tensor, targets: Targets) -> torch.Tensor:
        losses = self.network(images, targets).values()
        return torch.stack(list(losses)).sum()

    def _provenance(self) -> dict[str, Any]:
        return super()._provenance() | {"sizes": self.network.sizes_text()}
