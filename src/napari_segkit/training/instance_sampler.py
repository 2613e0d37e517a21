"""Sample training patches with the objects in them, for instance methods."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import AugmentConfig
from napari_segkit.images.labels import LabelsError, connected_components

from .sampler import Sample, Sampler

STEP = 32  # window edges are multiples of it
ANYWHERE = 0.1  # fraction of patches that may hold no object
VISIBLE = 0.15  # fraction of an object that a patch must hold to train on it

FramePixel = tuple[int, int, int]  # frame index, y, x


class Targets(list[dict[str, torch.Tensor]]):
    """Per image a dict of "boxes", "labels" and "masks", as torchvision takes them."""

    def to(self, device: torch.device) -> "Targets":
        """Move all tensors to a device."""
        return Targets({k: v.to(device) for k, v in one.items()} for one in self)


class ObjectSampler(Sampler):
    """Sample patches with the objects in them from samples whose `indices` are ids.

    Id 0 is background, -1 not annotated; `class_of` holds the class position of each id. Patches
    avoid pixels that are not annotated; if a region is too narrow for a full patch, all patches of
    the batch are smaller. LabelsError if no window of 32 pixels is fully annotated.
    """

    _pixels_of_class: list[NDArray[np.int64]]  # type: ignore[assignment]

    def __init__(
        self,
        samples: Sequence[Sample],
        size: Sequence[int],
        class_of: NDArray[np.intp],
        *,
        augment: AugmentConfig,
        random: np.random.Generator,
        neighbours: int = 0,
    ) -> None:
        self.class_of, self._full = class_of, tuple(size)
        self._largest = np.zeros(len(class_of), np.int64)
        self._holes: dict[int, NDArray[np.int32]] = {}
        classes = int(class_of.max())
        super().__init__(
            samples, size, classes, augment=augment, random=random, neighbours=neighbours
        )

    def batch(self, count: int) -> tuple[torch.Tensor, Targets]:  # type: ignore[override]
        """Return images float32 ``(count, C, *size)`` and the objects in each."""
        self.size = self._full
        pairs: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
        while len(pairs) < count:
            before = self.size
            pair = self._patch()
            if self.size != before:  # a narrow region
                pairs.clear()
            pairs.append(pair)
        self.drawn += 1
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        return images, Targets(self._targets(ids) for _, ids in pairs)

    @cached_property
    def _labelled(self) -> list[int]:
        """Numbers of the frames with objects."""
        return sorted({int(n) for rows in self._pixels_of_class for n in rows[:, 0]})

    def _candidate_pixels(self, classes: int) -> list[NDArray[np.int64]]:  # type: ignore[override]
        """Per class, rows of (frame index, y, x) with the centre of each object."""
        centres: list[list[FramePixel]] = [[] for _ in range(classes)]
        for number, (sample, frame) in enumerate(self._frames):
            ids = self._read_labels(sample, frame)
            counts = np.bincount(np.maximum(ids, 0).ravel(), minlength=len(self.class_of))
            self._largest = np.maximum(self._largest, counts)
            if (ids < 0).any():
                holes = (ids < 0).cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
                self._holes[number] = np.pad(holes, ((1, 0), (1, 0)))
            for id_, box in enumerate(ndimage.find_objects(np.maximum(ids, 0)), 1):
                if box is None:
                    continue
                centre = _centre(box)
                if self._is_annotated(number, centre, STEP).any():
                    centres[self.class_of[id_] - 1].append((number, *centre))
        if not any(centres):
            raise LabelsError(
                f"No object is in an annotated region of at least {STEP} x {STEP} pixels: "
                "annotate larger regions."
            )
        return [np.array(rows, np.int64) for rows in centres if rows]

    def _choose_window(self) -> tuple[Sample, dict[str, int], list[int], list[int]]:
        rows = self._pixels_of_class[self.random.integers(len(self._pixels_of_class))]
        number, *pixel = rows[self.random.integers(len(rows))]
        sample, frame = self._frames[number]
        if number not in self._holes:
            shape = sample.image.spatial_shape(2)
            if self.random.random() < ANYWHERE:
                pixel = [int(self.random.integers(n)) for n in shape]
            axes = zip(pixel, self.size, shape, strict=True)
            return sample, frame, [self._random_start(*axis) for axis in axes], pixel
        for edge in range(min(self.size), 0, -STEP):
            starts = np.argwhere(self._is_annotated(number, pixel, edge))
            if len(starts):
                break
        self.size = (edge, edge)
        low = [max(0, p - edge + 1) for p in pixel]
        start = (starts[self.random.integers(len(starts))] + low).tolist()
        return sample, frame, start, pixel

    def _is_annotated(self, number: int, pixel: Sequence[int], edge: int) -> NDArray[np.bool_]:
        """Which windows of this edge length around `pixel` are fully annotated."""
        holes = self._holes.get(number)
        if holes is None:
            return np.ones(1, bool)
        first = [max(0, p - edge + 1) for p in pixel]
        last = [min(p, n - 1 - edge) + 1 for p, n in zip(pixel, holes.shape, strict=True)]
        y, x = (np.arange(a, max(a, b)) for a, b in zip(first, last, strict=True))
        inside = holes[np.ix_(y + edge, x + edge)] - holes[np.ix_(y, x + edge)]
        return inside - holes[np.ix_(y + edge, x)] + holes[np.ix_(y, x)] == 0

    def _crop(
        self,
        sample: Sample,
        frame: dict[str, int],
        start: Sequence[int],
        pixel: Sequence[int],
        *,
        warp: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        image, ids = super()._crop(sample, frame, start, pixel, warp=warp)
        if warp and (ids < 0).any():  # a rotated view shows what is not annotated
            return super()._crop(sample, frame, start, pixel, warp=False)
        return image, ids

    def _read(
        self, sample: Sample, frame: dict[str, int], start: Sequence[int], size: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        image, ids = super()._read(sample, frame, start, size)
        axes = zip(start, size, sample.image.spatial_shape(2), strict=True)
        is_mirrored = any(first < 0 or first + n > end for first, n, end in axes)
        return image, self._separate_mirrored(ids) if is_mirrored else ids

    def _separate_mirrored(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Give mirrored copies of an object ids of their own, equal modulo the number of ids."""
        components = connected_components(np.maximum(ids, 0))
        numbers, first = np.unique(components, return_index=True)
        owner = ids.ravel()[first]
        rank = [int((owner[:i] == o).sum()) for i, o in enumerate(owner)]
        separated = owner + np.array(rank) * len(self.class_of)
        return np.where(components > 0, separated[np.searchsorted(numbers, components)], ids)

    def _targets(self, ids: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Box, class and mask of each object in a patch."""
        present, counts = np.unique(ids, return_counts=True)
        owner = np.maximum(present, 0) % len(self.class_of)
        most = np.minimum(self._largest[owner], ids.size)  # an object may fill a patch
        kept = (present > 0) & (counts >= VISIBLE * most)
        masks = ids == present[kept, None, None]
        spans = [_span(masks.any(axis=axis)) for axis in (1, 2)]
        boxes = np.stack([spans[0][0], spans[1][0], spans[0][1], spans[1][1]], axis=1)
        return {
            "boxes": torch.from_numpy(boxes.astype(np.float32)),
            "labels": torch.from_numpy(self.class_of[owner[kept]].astype(np.int64)),
            "masks": torch.from_numpy(masks.astype(np.uint8)),
        }


def _span(profiles: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Start of the first and end of the last true value of each profile."""
    length = profiles.shape[1]
    return profiles.argmax(axis=1), length - profiles[:, ::-1].argmax(axis=1)


def _centre(box: Sequence[slice]) -> tuple[int, ...]:
    return tuple((s.start + s.stop - 1) // 2 for s in box)
