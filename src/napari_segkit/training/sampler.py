"""Sample training patches around labelled pixels, every class equally often."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import ceil, prod

import numpy as np
import torch
from numpy.typing import NDArray

from napari_segkit.config import AugmentConfig
from napari_segkit.images.array_cache import ArrayCache, CachedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.blocks import slabs_of
from napari_segkit.images.intensity import Statistics
from napari_segkit.images.slices import along, read_window, slices_to_channels

from .augment import Augmentation, augment_of
from .places import Places
from .state import RandomState, generator_at

MAX_PIXELS = 1_000_000  # per class; more would only cost memory
PLACES_BYTES = 2**26


@dataclass(frozen=True)
class Sample:
    """A training image with its class indices."""

    image: AxesImage
    indices: AxesImage  # no channel axis, `IGNORE` where unlabelled
    statistics: Statistics
    counts: NDArray[np.int64] | None = None  # pixels of each class, if it has one frame


class Sampler:
    """Sample patches of `size` from samples with equal numbers of channels.

    Patches of slices have the channels of so many `neighbours` on both sides, too. With
    `three_axes` slices along Z, Y and X are taken.

    Attributes
    ----------
    drawn : int
        Number of batches drawn so far; a training that goes on sets it.
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
        three_axes: bool = False,
    ) -> None:
        self.size = tuple(size)
        self.augment = augment
        self.random = random
        self.neighbours = neighbours
        self.drawn = 0
        self._views = [_along_axes(one) if three_axes else (one,) for one in samples]
        self._frames = [
            (view, frame)
            for views in self._views
            for view in views
            for frame in view.image.frames(len(self.size))
        ]
        self._found: list[dict[int, CachedArray]] = [{} for _ in range(classes)]
        self._cache = ArrayCache(PLACES_BYTES)
        self._pixels_of_class = self._candidate_pixels(classes)

    def refresh(self, number: int, box: Sequence[slice]) -> None:
        """Find labelled pixels anew where those of a sample changed in a box of its labels."""
        views, classes = self._views[number], len(self._found)
        for place, (view, frame) in enumerate(self._frames):
            if any(view is own for own in views) and _touches(view, frame, box):
                self._counts[place] = self._count(view, frame, classes)
                for found in self._found:
                    found.pop(place, None)
        self._pixels_of_class = self._places()
        self.__dict__.pop("_labelled", None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is labelled."""
        return not self._pixels_of_class

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images float32 ``(count, C, *size)`` and int64 class indices."""
        pairs = [self._patch() for _ in range(count)]
        self.drawn += 1
        images, targets = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        return torch.from_numpy(images), torch.from_numpy(targets)

    def redraw_images(self, count: int, state: RandomState) -> torch.Tensor:
        """Images of an earlier batch, given the state of `random` before it."""
        now, self.random = self.random, generator_at(state)
        try:
            return self.batch(count)[0]
        finally:
            self.random = now

    def steps_per_pass(self, batch_size: int) -> int:
        """Number of batches with as many patches as would cover all labelled images once."""
        shapes = [self._frames[n][0].image.spatial_shape(len(self.size)) for n in self._labelled]
        patches = sum(prod(map(ceil, np.divide(shape, self.size))) for shape in shapes)
        return ceil(patches / batch_size)

    @cached_property
    def _labelled(self) -> list[int]:
        """Numbers of the frames where anything is labelled."""
        return sorted({int(n) for rows in self._pixels_of_class for n in rows.frames})

    def _candidate_pixels(self, classes: int) -> list[Places]:
        """Per class that occurs, rows of (frame index, *pixel) where it is labelled."""
        counts = [self._known_count(sample, frame, classes) for sample, frame in self._frames]
        self._counts = np.array(counts)
        return self._places()

    def _places(self) -> list[Places]:
        """The same, of the labelled pixels that were counted."""
        shapes = [sample.image.spatial_shape(len(self.size)) for sample, _ in self._frames]
        names = [sample.image.name for sample, _ in self._frames]
        per_frame = max(1, MAX_PIXELS // len(self._frames))
        places = [
            Places(
                partial(self._pixels, index),
                self._counts[:, index],
                shapes,
                per_frame,
                self._cache,
                names,
                found,
            )
            for index, found in enumerate(self._found)
        ]
        return [rows for rows in places if len(rows)]  # not every object has every level

    def _known_count(
        self, sample: Sample, frame: dict[str, int], classes: int
    ) -> NDArray[np.int64]:
        """Labelled pixels of each class in a frame, counted before if possible."""
        return self._count(sample, frame, classes) if sample.counts is None else sample.counts

    def _count(self, sample: Sample, frame: dict[str, int], classes: int) -> NDArray[np.int64]:
        """Labelled pixels of each class in a frame."""
        slabs = self._label_slabs(sample, frame)
        counts = [np.bincount(own[own >= 0], minlength=classes) for own in slabs]
        return np.sum(counts, axis=0)

    def _pixels(self, index: int, number: int, step: int) -> NDArray[np.int64]:
        """Every `step`-th position of a class in a frame, as if its pixels were in a row."""
        kept, seen, passed = [], 0, 0
        for slab in self._label_slabs(*self._frames[number]):
            found = np.flatnonzero(slab == index)
            kept.append(found[-seen % step :: step] + passed)
            seen, passed = seen + len(found), passed + slab.size
        return np.concatenate(kept)

    def _label_slabs(self, sample: Sample, frame: dict[str, int]) -> Iterator[NDArray[np.int16]]:
        height, *rest = sample.image.spatial_shape(len(self.size))
        for slab in slabs_of((height, *rest)):
            yield sample.indices.read(frame, (slab, *(slice(0, n) for n in rest)))[0]

    def _read_labels(self, sample: Sample, frame: dict[str, int]) -> NDArray[np.int16]:
        region = tuple(slice(0, n) for n in sample.image.spatial_shape(len(self.size)))
        return sample.indices.read(frame, region)[0]

    def _patch(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return self._crop(*self._choose_window())

    def _crop(
        self,
        sample: Sample,
        frame: dict[str, int],
        start: Sequence[int],
        pixel: Sequence[int],
        *,
        warp: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """A patch, augmented; it keeps `pixel`, which it was drawn for."""
        config = augment_of(self.augment, sample.image)
        spacing, slices = sample.image.spacing[-len(self.size) :], 2 * self.neighbours + 1
        augmentation = Augmentation(config, spacing, slices)

        def read(
            offset: Sequence[int], size: Sequence[int]
        ) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
            return self._read(sample, frame, np.add(start, offset).tolist(), size)

        fixed = np.subtract(pixel, start).tolist()
        image, target = augmentation.draw(read, self.size, fixed, self.random, warp=warp)
        return np.ascontiguousarray(image), np.ascontiguousarray(target, np.int64)

    def _read(
        self, sample: Sample, frame: dict[str, int], start: Sequence[int], size: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        """Normalised image and target of a window, mirrored past the image's ends."""
        pixels = read_window(sample.image, frame, start, size, self.neighbours)
        target = read_window(sample.indices, frame, start, size)[0]
        return slices_to_channels(sample.statistics.apply(pixels), len(size)), target

    def _choose_window(self) -> tuple[Sample, dict[str, int], list[int], list[int]]:
        """Choose the next patch: its sample, frame and first pixel, and a pixel that it holds."""
        rows = self._pixels_of_class[self.random.integers(len(self._pixels_of_class))]
        number, *pixel = rows[self.random.integers(len(rows))]
        sample, frame = self._frames[number]
        axes = zip(pixel, self.size, sample.image.spatial_shape(len(self.size)), strict=True)
        return sample, frame, [self._random_start(*axis) for axis in axes], pixel

    def _random_start(self, position: int, size: int, length: int) -> int:
        """Random start of a window of `size` that holds `position`, inside the image if it fits."""
        low, high = position - size + 1, position
        if length >= size:
            low, high = max(low, 0), min(high, length - size)
        return int(self.random.integers(low, high + 1))


def _along_axes(sample: Sample) -> tuple[Sample, ...]:
    """A sample with slices along Z, along Y and along X."""
    views = (
        replace(
            sample,
            image=along(sample.image, axis),
            indices=along(sample.indices, axis),
            counts=None,
        )
        for axis in "YX"
    )
    return (sample, *views)


def _touches(sample: Sample, frame: dict[str, int], box: Sequence[slice]) -> bool:
    """Whether a frame has pixels in a box of the labels."""
    sides = dict(zip(sample.image.label_axes, box, strict=True))
    return all(sides[a].start <= n < sides[a].stop for a, n in frame.items())
