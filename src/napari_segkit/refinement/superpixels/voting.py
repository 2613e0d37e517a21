"""Smooth by superpixel voting: every pixel gets the mean probabilities of its superpixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import SuperpixelConfig
from napari_segkit.images.types import Floats
from napari_segkit.refinement.blocks import Region, relative_to
from napari_segkit.refinement.smoothing_method import BlockSmoother, SmoothingMethod

from .generate import check_method, segment_tile, split_into_tiles


class SuperpixelVoting(SmoothingMethod):
    """Blocks are the tiles of `superpixels`, where superpixels end; always on the CPU."""

    uses_image = True

    def __init__(self, config: SuperpixelConfig, spacing: Sequence[float]) -> None:
        super().__init__(spacing)
        check_method(config, spacing)
        self._config = config

    def blocks(self, shape: Sequence[int]) -> list[Region]:
        return split_into_tiles(shape, self._config, self.spacing)

    def context(self, box: Region, shape: Sequence[int]) -> tuple[Region, list[Region]]:
        """The tiles that the box touches."""
        near = [
            tile
            for tile in self.blocks(shape)
            if all(t.start < b.stop and b.start < t.stop for t, b in zip(tile, box, strict=True))
        ]
        axes = zip(*near, strict=True)
        outer = tuple([slice(min(s.start for s in a), max(s.stop for s in a)) for a in axes])
        return outer, [relative_to(tile, outer) for tile in near]

    def block_smoother(
        self, classes: int, device: str, components: Floats | None = None
    ) -> BlockSmoother:
        def run(probabilities: Floats, intensities: Floats | None, start: Sequence[int]) -> Floats:
            assert intensities is not None
            labels = segment_tile(intensities, self._config, self.spacing)
            return region_means(labels, probabilities)

        return run


def region_means(labels: NDArray[np.int32], probabilities: Floats) -> Floats:
    """Replace ``(classes, *labels.shape)`` probabilities by their mean over each region 1 to n."""
    flat = labels.ravel()
    sizes = np.bincount(flat).clip(1)
    means = np.stack([np.bincount(flat, p.ravel()) / sizes for p in probabilities])
    return means.astype(np.float32)[:, labels]
