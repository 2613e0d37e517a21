"""Take whole images as training patches, one after the other or every class equally often."""

from collections.abc import Sequence

import numpy as np
import torch

from napari_segkit.config import AugmentConfig

from .sampler import Sample, Sampler


class WholeImageSampler(Sampler):
    """Whole images, each with a random labelled pixel of a class that is as likely as the others.

    Images smaller than `size`, a multiple of the network's stride, are mirrored at their ends.
    """

    def _random_start(self, position: int, size: int, length: int) -> int:
        return 0


class PassSampler(WholeImageSampler):
    """Whole images in passes: every labelled image once, in another random order in each pass.

    The batches of a pass differ by one image at most, so that none is too small for batch
    normalisation; a single image is taken twice. The order follows from the seed and the number of
    the pass, not from earlier random numbers.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        size: Sequence[int],
        classes: int,
        *,
        augment: AugmentConfig,
        random: np.random.Generator,
        neighbours: int = 0,
        seed: int,
    ) -> None:
        super().__init__(
            samples, size, classes, augment=augment, random=random, neighbours=neighbours
        )
        self._seed = seed
        self._next: list[int] = []

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the next images of the pass, about `count` of them."""
        done, position = divmod(self.drawn, self.steps_per_pass(count))
        order = np.random.default_rng((self._seed, done)).permutation(self._labelled)
        batches = np.array_split(order, self.steps_per_pass(count))
        self._next = np.resize(batches[position], max(2, len(batches[position]))).tolist()
        return super().batch(len(self._next))

    def _choose_window(self) -> tuple[Sample, dict[str, int], list[int], list[int]]:
        sample, frame = self._frames[self._next.pop(0)]
        return sample, frame, [0] * len(self.size), [edge // 2 for edge in self.size]
