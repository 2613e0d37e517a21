"""The windows of an image with the most labels, on which refinements are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import Labels, LazyArray
from napari_segkit.refinement.blocks import Region, split_into_blocks
from napari_segkit.refinement.probability_maps import ProbabilityMaps

WINDOW_PIXELS = 2**20  # at most, of one window
TOTAL_PIXELS = 2**22  # at most, of all windows
SIMILAR_COUNT = 0.9  # relative: windows with so many labelled pixels are equally good


@dataclass(frozen=True)
class Window:
    """A region of one frame."""

    frame: dict[str, int]
    region: Region


@dataclass(frozen=True)
class LabelledTruth:
    """Labels of the image of some probabilities, of which some pixels may be unlabelled."""

    maps: ProbabilityMaps
    labels: LazyArray
    unlabelled: int | None

    def __post_init__(self) -> None:
        shape = self.maps.image.label_shape
        if tuple(self.labels.shape) != shape:
            raise ValueError(
                f"The truth has shape {tuple(self.labels.shape)}, the probabilities have {shape}: "
                "give the truth of this image."
            )

    def read(self, window: Window) -> Labels:
        """Labels of a window, along ``[Z,] Y, X``."""
        image = self.maps.image
        index = image.array_index(window.frame, window.region, image.label_axes)
        remaining = [a for a in image.label_axes if a not in window.frame]
        order = [remaining.index(a) for a in "ZYX"[-self.maps.ndim :]]
        return np.asarray(self.labels[index]).transpose(order)

    def windows(self) -> list[Window]:
        """The windows with the most labels, cropped to them."""
        maps = self.maps
        blocks = split_into_blocks(maps.spatial, WINDOW_PIXELS)
        windows = [Window(*each) for each in product(maps.frames(), blocks)]
        counts = [int(np.count_nonzero(self._is_labelled(window))) for window in windows]
        size = int(np.prod(maps.spatial)) * maps.image.frame_count(maps.ndim)
        limit = max(1, TOTAL_PIXELS * len(windows) // size)
        selected = [self._crop(windows[i]) for i in select_windows(counts, limit)]
        if not selected:
            raise ValueError(
                f"No pixel of the truth is labelled: every one is {self.unlabelled}, which "
                "counts as unlabelled. Paint some, or choose another truth."
            )
        return selected

    def _is_labelled(self, window: Window) -> NDArray[np.bool_]:
        labels = self.read(window)
        return np.ones(labels.shape, bool) if self.unlabelled is None else labels != self.unlabelled

    def _crop(self, window: Window) -> Window:
        """Crop a window to the bounding box of its labels."""
        axes = zip(window.region, np.nonzero(self._is_labelled(window)), strict=True)
        region = (slice(w.start + int(i.min()), w.start + int(i.max()) + 1) for w, i in axes)
        return replace(window, region=tuple(region))


def select_windows(counts: Sequence[int], limit: int) -> list[int]:
    """Indices of the windows with the most labelled pixels, in order.

    Of windows with about as many, some are taken that are spread evenly.
    """
    labelled = [i for i, n in enumerate(counts) if n]
    if len(labelled) <= limit:
        return labelled
    least = sorted(counts)[-limit]  # of the windows with the highest counts
    best = [i for i in labelled if counts[i] * SIMILAR_COUNT > least]
    similar = [i for i in labelled if counts[i] >= least * SIMILAR_COUNT and i not in best]
    remaining = limit - len(best)
    spread = [similar[(2 * k + 1) * len(similar) // (2 * remaining)] for k in range(remaining)]
    return sorted(best + spread)
