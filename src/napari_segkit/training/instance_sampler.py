"""Patches with the objects in them, for methods that find objects one by one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.labels import LabelsError
from napari_segkit.instances.label_ids import pieces_of

from .sampler import Sample, Sampler

STEP = 32  # windows are multiples of it
ANYWHERE = 0.1  # share of patches that need not hold an object
VISIBLE = 0.15  # share of an object that a patch must hold for it to be learned

Place = tuple[int, int, int]


class Targets(list[dict[str, torch.Tensor]]):
    """For each image a dict of "boxes", "labels" and "masks", as torchvision takes them."""

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets({k: v.to(device) for k, v in one.items()} for one in self)


class ObjectSampler(Sampler):
    """Draws batches of patches with the objects in them.

    Where some pixels are not annotated, patches lie inside the others; all of a batch are smaller
    where a region has no room for a whole one.

    Parameters
    ----------
    samples : sequence of Sample
        Their `indices` are ids: 0 background, -1 not annotated.
    size : tuple of int
        Edges of a patch along Y and X.
    class_of : ndarray
        Class position of each id.
    augment, seed
        As in `Sampler`.

    Raises
    ------
    LabelsError
        If no window of 32 pixels holds annotated pixels only.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        size: Sequence[int],
        class_of: NDArray[np.intp],
        *,
        augment: bool,
        seed: int,
    ) -> None:
        self.class_of, self._full = class_of, tuple(size)
        self._pixels = np.zeros(len(class_of), np.int64)
        self._holes: dict[int, NDArray[np.int32]] = {}
        super().__init__(samples, size, int(class_of.max()), augment=augment, seed=seed)

    def batch(self, count: int) -> tuple[torch.Tensor, Targets]:  # type: ignore[override]
        """Draw `count` patches of one size.

        Returns
        -------
        tuple
            Images float32 ``(count, C, *size)``, and the objects in each.
        """
        self.size = self._full
        pairs: list[tuple[Any, Any]] = []
        while len(pairs) < count:
            before = self.size
            pair = self._patch()
            if self.size != before:  # a narrow region
                pairs.clear()
            pairs.append(pair)
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        return images, Targets(self._targets(ids) for _, ids in pairs)

    def _find(self, classes: int) -> list[NDArray[np.int64]]:
        """Per class, rows of (frame, *place) with the middle of each object."""
        found: list[list[Place]] = [[] for _ in range(classes)]
        for number, (sample, frame) in enumerate(self._items):
            ids = self._whole(sample, frame)
            counts = np.bincount(np.maximum(ids, 0).ravel(), minlength=len(self.class_of))
            self._pixels = np.maximum(self._pixels, counts)
            if (ids < 0).any():
                holes = (ids < 0).cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
                self._holes[number] = np.pad(holes, ((1, 0), (1, 0)))
            for id_, box in enumerate(ndimage.find_objects(np.maximum(ids, 0)), 1):
                if box is not None and self._room(number, middle := _middle(box), STEP).any():
                    found[self.class_of[id_] - 1].append((number, *middle))
        if not any(found):
            raise LabelsError(
                f"No object lies in an annotated area of at least {STEP} x {STEP} pixels: "
                "annotate larger regions."
            )
        return [np.array(rows, np.int64) for rows in found if rows]

    def _window(self) -> tuple[Sample, dict[str, int], list[int]]:
        rows = self._places[self.random.integers(len(self._places))]
        number, *place = rows[self.random.integers(len(rows))]
        sample, frame = self._items[number]
        if number not in self._holes:
            shape = sample.image.spatial(2)
            if self.random.random() < ANYWHERE:
                place = [int(self.random.integers(n)) for n in shape]
            along = zip(place, self.size, shape, strict=True)
            return sample, frame, [self._start(*each) for each in along]
        for edge in range(min(self.size), 0, -STEP):
            starts = np.argwhere(room := self._room(number, place, edge))
            if room.any():
                break
        self.size = (edge, edge)
        low = [max(0, p - edge + 1) for p in place]
        return sample, frame, (starts[self.random.integers(len(starts))] + low).tolist()

    def _room(self, number: int, place: Sequence[int], edge: int) -> NDArray[np.bool_]:
        """Of the windows that hold a place, which hold annotated pixels only."""
        holes = self._holes.get(number)
        if holes is None:
            return np.ones(1, bool)
        first = [max(0, p - edge + 1) for p in place]
        last = [min(p, n - 1 - edge) + 1 for p, n in zip(place, holes.shape, strict=True)]
        y, x = (np.arange(a, max(a, b)) for a, b in zip(first, last, strict=True))
        inside = holes[np.ix_(y + edge, x + edge)] - holes[np.ix_(y, x + edge)]
        return inside - holes[np.ix_(y + edge, x)] + holes[np.ix_(y, x)] == 0

    def _cut(
        self, sample: Sample, frame: dict[str, int], start: Sequence[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        image, ids = super()._cut(sample, frame, start)
        small = any(n < edge for n, edge in zip(sample.image.spatial(2), self.size, strict=True))
        return image, self._parted(ids) if small else ids

    def _parted(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is mirrored becomes an object of its own: an id of the same remainder."""
        pieces = pieces_of(np.maximum(ids, 0))
        numbers, first = np.unique(pieces, return_index=True)
        owner = ids.ravel()[first]
        rank = [int((owner[:i] == o).sum()) for i, o in enumerate(owner)]
        parted = owner + np.array(rank) * len(self.class_of)
        return np.where(pieces > 0, parted[np.searchsorted(numbers, pieces)], ids)

    def _targets(self, ids: NDArray[np.int64]) -> dict[str, torch.Tensor]:
        """Box, class and mask of each object in a patch."""
        present, counts = np.unique(ids, return_counts=True)
        owner = np.maximum(present, 0) % len(self.class_of)
        most = np.minimum(self._pixels[owner], ids.size)  # an object may fill a patch
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
    """First place of each profile that is true, and the end of the last."""
    length = profiles.shape[1]
    return profiles.argmax(axis=1), length - profiles[:, ::-1].argmax(axis=1)


def _middle(box: Sequence[slice]) -> tuple[int, ...]:
    return tuple((s.start + s.stop - 1) // 2 for s in box)
