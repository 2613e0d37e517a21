"""Pixels and connected components of each class, counted block by block."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.blocks import blocks, chunk_of
from napari_segkit.images.labels import connected_components
from napari_segkit.images.regions import Box
from napari_segkit.images.types import AnyArray
from napari_segkit.images.value_counts import count_values
from napari_segkit.instances.block_objects import Face
from napari_segkit.instances.join_blocks import BlockLinks

from .counting import BLOCK, Frame

Counts = Counter[int]  # of each label value


def class_sizes(labels: AxesImage, ndim: int) -> tuple[Counts, Counts]:
    """Pixels and components of each class value; components of several frames add up."""
    pixels, pieces = Counts(), Counts()
    for frame in labels.frames(ndim):
        own = _FrameSizes(labels, frame, ndim)
        pixels += own.pixels
        pieces += own.pieces()
    return pixels, pieces


class _FrameSizes:
    """Counts of a frame. Blocks share their last pixels with the next, which links components."""

    def __init__(self, labels: AxesImage, frame: Frame, ndim: int) -> None:
        self.pixels = Counts()
        self._links = BlockLinks(components=True)
        self._classes = [np.zeros(0, np.int64)]  # of the components of each block
        self._shape, self._count = labels.spatial_shape(ndim), 0
        chunk = dict(zip(labels.axes, chunk_of(labels.data), strict=True))
        regions = list(blocks(self._shape, [chunk[axis] for axis in SPATIAL[-ndim:]], BLOCK))
        for region in regions:
            self._add(labels, frame, region, regions[0])

    def pieces(self) -> Counts:
        """Components of each class."""
        if not self._count:
            return Counts()
        groups, count = self._links.groups(self._count)
        classes = np.zeros(count, np.int64)
        classes[groups] = np.concatenate(self._classes)
        return _counts(classes)

    def _add(self, labels: AxesImage, frame: Frame, region: Box, first: Box) -> None:
        """Count a region; `first` is the first one of the frame."""
        sides = zip(region, self._shape, strict=True)
        outer = [slice(side.start, min(side.stop + 1, n)) for side, n in sides]
        values = labels.read(frame, outer)[0]
        self.pixels += _counts(values[tuple(slice(s.stop - s.start) for s in region)])
        ids = connected_components(values)
        classes = np.zeros(int(ids.max(initial=0)) + 1, np.int64)
        classes[ids] = values
        key = tuple(s.start // f.stop for s, f in zip(region, first, strict=True))
        self._links.add(key, self._count, _shared(ids, region, self._shape))
        self._classes.append(classes[1:])
        self._count += len(classes) - 1


def _counts(values: AnyArray) -> Counts:
    found, counts = count_values(values)
    return Counts(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _shared(ids: AnyArray, region: Box, shape: tuple[int, ...]) -> dict[Face, NDArray[np.int32]]:
    """The pixels that a block shares with the blocks around it."""
    found = {}
    for axis, (side, length) in enumerate(zip(region, shape, strict=True)):
        last = side.stop - side.start
        if side.start > 0:
            found[axis, 0] = ids.take([0], axis)
        if side.stop < length:
            found[axis, 1] = ids.take([last], axis)
    return found
