"""Train a network that finds objects one by one."""

from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.instances.diameters import learned_lengths

from .instance_sampler import ObjectSampler, Targets
from .loop import TrainStep, train
from .trainer import Trainer

SETTLE = 10


class InstanceTrainer(Trainer):
    """One training by gradients on patches with the objects in them; made as `Trainer` is."""

    network: Any
    class_of: NDArray[np.intp]
    room = 2  # what it says of an object changes with what it sees around it

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sampler = ObjectSampler(
            self.samples,
            self.patch,
            self.class_of,
            augment=self.config.augment,
            seed=self.config.seed,
        )
        sizes = [learned_lengths(s.indices.data, s.image, self.ndim) for s in self.samples]
        self.network.set_sizes(np.concatenate(sizes))
        self._recent: deque[torch.Tensor] = deque(maxlen=SETTLE)

    def steps(self) -> Generator[TrainStep, None, None]:
        """Train; after each step `trained` gives the model as it is then."""
        for step in train(
            self.network, self._batch, self._loss, self.config, self.device, self.random
        ):
            self.history.append(step.loss)
            self.last = step
            yield step

    def settle(self, network: Any) -> None:
        """Measure the batch statistics anew with the weights as they are now."""
        network.settle(images.to(self.device) for images in self._recent)

    def _batch(self, count: int) -> tuple[torch.Tensor, Targets]:
        images, targets = self.sampler.batch(count)
        self._recent.append(images)
        return images, targets

    def _loss(self, images: torch.Tensor, targets: Targets) -> torch.Tensor:
        losses = self.network(images, targets).values()
        return torch.stack(list(losses)).sum()

    def _provenance(self) -> dict[str, Any]:
        return super()._provenance() | {"sizes": self.network.sizes_text()}
