"""Patches around labelled places, each class as often as the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Statistics, require_finite
from napari_segkit.tiling import read_mirrored

PLACES = 1_000_000  # remembered per class and sample; more would only cost memory


@dataclass(frozen=True)
class Sample:
    """An image with its labels as class indices.

    Parameters
    ----------
    image : AxesImage
        Read patch by patch.
    indices : AxesImage
        Class indices without a channel axis, `IGNORE` where nothing is learned.
    statistics : Statistics
        Numbers that normalise the image.
    """

    image: AxesImage
    indices: AxesImage
    statistics: Statistics


class Sampler:
    """Draws batches of patches.

    Parameters
    ----------
    samples : sequence of Sample
        All with the same number of channels.
    size : tuple of int
        Edges of a patch along the spatial axes.
    classes : int
        Number of classes.
    augment : bool
        Flip, turn, and change brightness and contrast.
    seed : int
        The same seed draws the same patches.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        size: Sequence[int],
        classes: int,
        *,
        augment: bool,
        seed: int,
    ) -> None:
        self.samples = samples
        self.size = tuple(size)
        self.augment = augment
        self.random = np.random.default_rng(seed)
        self._items = [
            (sample, frame) for sample in samples for frame in sample.image.frames(len(self.size))
        ]
        self._places = self._find(classes)

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw `count` patches.

        Returns
        -------
        tuple of Tensor
            Images float32 ``(count, C, *size)`` and class indices int64 ``(count, *size)``.
        """
        pairs = [self._patch() for _ in range(count)]
        images, targets = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return torch.from_numpy(images), torch.from_numpy(targets)

    def _find(self, classes: int) -> list[NDArray[np.int64]]:
        """Per class that occurs, rows of (frame, *place) where it is labelled."""
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(classes)]
        share = max(1, PLACES // len(self._items))
        for number, (sample, frame) in enumerate(self._items):
            indices = self._whole(sample, frame)
            for index, rows in enumerate(found):
                flat = np.flatnonzero(indices == index)
                flat = flat[:: max(1, len(flat) // share)]
                places = np.stack(np.unravel_index(flat, indices.shape), axis=1)
                rows.append(np.insert(places, 0, number, axis=1))
        joined = [np.concatenate(rows) for rows in found]
        return [rows for rows in joined if len(rows)]  # not every object has every level

    def _whole(self, sample: Sample, frame: dict[str, int]) -> NDArray[np.int16]:
        region = tuple(slice(0, n) for n in sample.image.spatial(len(self.size)))
        return sample.indices.read(frame, region)[0]

    def _patch(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self._cut(*self._window())

    def _cut(
        self, sample: Sample, frame: dict[str, int], start: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        shape = sample.image.spatial(len(self.size))
        pixels = read_mirrored(lambda r: sample.image.read(frame, r), start, self.size, shape)
        require_finite(pixels, sample.image.name)
        target = read_mirrored(lambda r: sample.indices.read(frame, r), start, self.size, shape)[0]
        image = sample.statistics.apply(pixels)
        if self.augment:
            image, target = self._augment(image, target)
        return np.ascontiguousarray(image), np.ascontiguousarray(target, np.int64)

    def _window(self) -> tuple[Sample, dict[str, int], list[int]]:
        """Where the next patch lies: its sample, frame and first pixel."""
        rows = self._places[self.random.integers(len(self._places))]
        number, *place = rows[self.random.integers(len(rows))]
        sample, frame = self._items[number]
        shape = sample.image.spatial(len(self.size))
        start = [self._start(p, n, end) for p, n, end in zip(place, self.size, shape, strict=True)]
        return sample, frame, start

    def _start(self, place: int, size: int, end: int) -> int:
        """A window of `size` that holds `place`, inside the image where it fits."""
        low, high = place - size + 1, place
        if end >= size:
            low, high = max(low, 0), min(high, end - size)
        return int(self.random.integers(low, high + 1))

    def _augment(
        self, image: NDArray[np.float32], target: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The same flip and quarter turn for both; brightness and contrast for the image."""
        turns = int(self.random.integers(4)) if self.size[-1] == self.size[-2] else 0
        flips = tuple(a for a in range(-len(self.size), 0) if self.random.random() < 0.5)
        image = np.rot90(np.flip(image, flips), turns, (-2, -1))
        target = np.rot90(np.flip(target, flips), turns, (-2, -1))
        contrast, brightness = self.random.uniform(0.8, 1.25), self.random.uniform(-0.1, 0.1)
        return (image * contrast + brightness).astype(np.float32), target
