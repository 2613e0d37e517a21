"""Objects of one block of an image, which other blocks may continue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.regions import Box, Frame, lengths, relative
from napari_segkit.images.types import AnyArray

from .object_rows import boxes_around

STRIP = 2  # pixels on each side of a face that two blocks compare

Face: TypeAlias = tuple[int, int]  # axis, and 0 for the first or 1 for the last pixels along it


@dataclass(frozen=True)
class ObjectSums:
    """What is known of objects 1, 2, ... and adds up over blocks; one row for each."""

    pixels: NDArray[np.int64]
    probabilities: NDArray[np.float64]  # (objects, thing classes): summed over these pixels
    first: NDArray[np.int64]  # the first pixel, counted through the frame
    boxes: NDArray[np.int64]  # (objects, axes, 2): first pixel and end along each axis

    def __len__(self) -> int:
        return len(self.pixels)

    @staticmethod
    def concatenate(parts: Sequence["ObjectSums"]) -> "ObjectSums":
        """All rows of one part or more, one after the other."""
        return ObjectSums(
            np.concatenate([p.pixels for p in parts]),
            np.concatenate([p.probabilities for p in parts]),
            np.concatenate([p.first for p in parts]),
            np.concatenate([p.boxes for p in parts]),
        )

    def added_up(self, groups: NDArray[np.intp], count: int) -> "ObjectSums":
        """One row for each of `count` groups of rows."""
        first = np.full(count, np.iinfo(np.int64).max)
        np.minimum.at(first, groups, self.first)
        pixels = np.bincount(groups, self.pixels, count).astype(np.int64)
        columns = [np.bincount(groups, column, count) for column in self.probabilities.T]
        boxes = boxes_around(self.boxes, groups, count)
        probabilities = np.array(columns, np.float64).reshape(len(columns), count).T
        return ObjectSums(pixels, probabilities, first, boxes)

    def in_image(self, axes: str, frame: Frame, before: int) -> "ObjectSums":
        """The same objects with boxes along all axes of the labels.

        `before` is the number of pixels of all frames before.
        """
        sides = np.moveaxis(self.boxes, 1, 0)
        spatial = dict(zip(SPATIAL[-len(sides) :], sides, strict=True))
        ends = [
            np.broadcast_to([frame[axis], frame[axis] + 1], (len(self), 2))
            if axis in frame
            else spatial[axis]
            for axis in axes
        ]
        return replace(self, first=self.first + before, boxes=np.stack(ends, axis=1))


@dataclass(frozen=True)
class BlockObjects:
    """The objects of a block, numbered from 1, and what it sees around its faces."""

    labels: NDArray[np.int32]  # of the block
    sums: ObjectSums
    faces: Mapping[Face, NDArray[np.int32]]  # ids on both sides of each face to another block


def cut_block(
    labels: NDArray[np.int32],
    maps: Sequence[AnyArray],
    around: Box,
    block: Box,
    *,
    divided: Box,
    shape: Sequence[int],
) -> BlockObjects:
    """The objects of a block, from the labels of a box around it.

    `maps` are the probabilities of thing classes there, `divided` is the box that all blocks make
    up, of a frame of this shape. The box reaches `STRIP` pixels into the blocks around.
    """
    inner = relative(block, around)
    present, first = np.unique(labels[inner], return_index=True)
    first, present = first[present > 0], present[present > 0]
    numbers = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    numbers[present] = np.arange(1, len(present) + 1)
    ids = numbers[labels[inner]]
    flat, count = ids.ravel(), len(present) + 1
    columns = [np.bincount(flat, each[inner].ravel(), count)[1:] for each in maps]
    sums = ObjectSums(
        np.bincount(flat, minlength=count)[1:],
        np.array(columns, np.float64).reshape(len(maps), len(present)).T,
        _pixel_numbers(first, block, shape),
        _boxes(ids, block),
    )
    faces = {
        face: numbers[labels[relative(strip, around)]]
        for face, strip in _strips(block, divided).items()
    }
    return BlockObjects(ids, sums, faces)


def _pixel_numbers(first: AnyArray, block: Box, shape: Sequence[int]) -> NDArray[np.int64]:
    """Pixels that are counted through a block, counted through its frame."""
    places = np.unravel_index(first, lengths(block))
    in_frame = [p + side.start for p, side in zip(places, block, strict=True)]
    return np.ravel_multi_index(in_frame, tuple(shape)).astype(np.int64)


def _boxes(ids: NDArray[np.int32], block: Box) -> NDArray[np.int64]:
    found = [[(s.start, s.stop) for s in box] for box in ndimage.find_objects(ids) if box]
    start = np.array([side.start for side in block])
    return np.array(found, np.int64).reshape(-1, ids.ndim, 2) + start[:, None]


def _strips(block: Box, divided: Box) -> dict[Face, Box]:
    """Both sides of each face that another block continues."""
    strips = {}
    for axis, (own, whole) in enumerate(zip(block, divided, strict=True)):
        for end, face in enumerate((own.start, own.stop)):
            if whole.start < face < whole.stop:
                sides = max(whole.start, face - STRIP), min(whole.stop, face + STRIP)
                strips[axis, end] = (*block[:axis], slice(*sides), *block[axis + 1 :])
    return strips
