"""Divide the labels of an image into parts that can be held out one by one.

Parts are slabs of stacks and volumes, blocks of dense labels, or strokes of scribbles.
"""

from collections.abc import Iterable, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import add_to_ids, connected_components
from napari_segkit.images.types import AnyArray

Parts = NDArray[np.int32]  # number of the part of each pixel; 0: not labelled
Mask = NDArray[np.bool_]

DENSE = 0.5  # labelled fraction of their bounding box from which labels are dense
SLABS = 5  # of a stack or a volume
BLOCKS = 4  # along Y and X at most
MIN_BLOCKS = 4  # of an image
MIN_EDGE = {2: 48, 3: 12}  # by dimensions; pixels of a block or a slab
MARGIN = {2: 4, 3: 2}  # by dimensions; pixels around held-out ones that are not trained on


def divide(
    indices: AnyArray, axes: str, ndim: int, ids: AnyArray | None = None, *, bands: bool = False
) -> Parts:
    """Number the parts of labels, class indices with -1 where unlabelled, for an `ndim`-D method.

    `ids` of objects make parts of whole objects; `bands` are the two ends of an image and the rest
    between them, so that the largest patches stay possible wherever an end is held out.
    """
    labels = AxesImage(indices, axes)
    frames = [plane for _, (plane,) in labels.read_frames(ndim)]
    labelled = [number for number, plane in enumerate(frames) if (plane >= 0).any()]
    if _slabs_leave_enough(labelled):
        own = _slabs(frames, labelled)
    elif ids is not None:
        objects = [plane for _, (plane,) in AxesImage(ids, axes).read_frames(ndim)]
        blocks = _same_blocks([plane >= 0 for plane in frames], bands=bands)
        own = [_whole_objects(*pair) for pair in zip(blocks, objects, strict=True)]
    elif _is_dense([plane >= 0 for plane in frames]):
        own = _same_blocks([plane >= 0 for plane in frames])
    else:
        own = _numbered(map(_strokes, frames))
    if len(labelled) >= SLABS and max(int(part.max()) for part in own) <= 1:  # small frames
        own = _slabs(frames, labelled)
    parts = np.zeros(indices.shape, np.int32)
    for frame, numbers in zip(labels.frames(ndim), own, strict=True):
        labels.write(parts, frame, numbers)
    return parts


def margin_around(mask: Mask, axes: str, ndim: int) -> Mask:
    """Pixels up to the margin away from those of a mask, itself included; one frame away."""
    lengths = [MARGIN[ndim] if axis in "ZYX"[-ndim:] else 1 for axis in axes]
    return np.asarray(ndimage.maximum_filter(mask, [2 * n + 1 for n in lengths]), bool)


def borders(parts: Parts, axes: str, ndim: int) -> Mask:
    """Pixels up to the margin away from another part."""
    lengths = [MARGIN[ndim] if axis in "ZYX"[-ndim:] else 1 for axis in axes]
    size = [2 * n + 1 for n in lengths]
    lowest = np.where(parts > 0, parts, np.iinfo(np.int32).max)
    highest = ndimage.maximum_filter(parts, size)
    return np.asarray((parts > 0) & (ndimage.minimum_filter(lowest, size) != highest))


def _slabs_leave_enough(labelled: Sequence[int]) -> bool:
    """Whether one of the slabs of labelled frames, and the frames beside it, are a third."""
    count = len(labelled)
    if count < SLABS:
        return False
    beside = 2 * float((np.diff(labelled) == 1).mean())
    return ceil(count / SLABS) + beside <= count / 3


def _slabs(frames: Sequence[AnyArray], labelled: Sequence[int]) -> list[Parts]:
    """Labelled frames in a few runs of the same length."""
    slabs = enumerate(np.array_split(labelled, SLABS), 1)
    part_of = {number: part for part, numbers in slabs for number in numbers.tolist()}
    return [(plane >= 0) * np.int32(part_of.get(number, 0)) for number, plane in enumerate(frames)]


def _numbered(frames: Iterable[Parts]) -> list[Parts]:
    """Parts of frames with numbers of their own."""
    numbered: list[Parts] = []
    last = 0
    for parts in frames:
        numbered.append(add_to_ids(parts, last))
        last = max(last, int(numbered[-1].max(initial=0)))
    return numbered


def _is_dense(masks: Sequence[Mask]) -> bool:
    boxes = [(m, box) for m in masks for box in ndimage.find_objects(m.view(np.int8))]
    return sum(int(m[b].sum()) for m, b in boxes) > DENSE * sum(m[b].size for m, b in boxes)


def _strokes(labels: AnyArray) -> Parts:
    """Connected components of pixels of one class."""
    return np.asarray(
        connected_components(np.where(labels >= 0, labels.astype(np.int32) + 1, 0)), np.int32
    )


def _same_blocks(frames: Sequence[Mask], *, bands: bool = False) -> list[Parts]:
    """Blocks that go through all frames, since what lies next to them is not trained on."""
    blocks = _blocks(np.logical_or.reduce(frames), bands=bands)
    return [np.where(labelled, blocks, 0) for labelled in frames]


def _blocks(labelled: Mask, *, bands: bool = False) -> Parts:
    """Blocks of the labelled part of a frame; one only if it is too small."""
    ndim, parts = labelled.ndim, labelled.astype(np.int32)
    boxes = ndimage.find_objects(labelled.view(np.int8))
    if not boxes:
        return parts
    lengths = [side.stop - side.start for side in boxes[0]]
    counts = [1] * ndim
    if bands or ndim == 3:
        longest = int(np.argmax(lengths))
        counts[longest] = SLABS if lengths[longest] >= SLABS * MIN_EDGE[ndim] else 1
    else:
        counts = [max(1, min(BLOCKS, length // MIN_EDGE[ndim])) for length in lengths]
    if np.prod(counts) < MIN_BLOCKS:
        return parts
    numbers = np.zeros(labelled.shape, np.int32)
    for axis, (side, count) in enumerate(zip(boxes[0], counts, strict=True)):
        edges = np.linspace(side.start, side.stop, count + 1).round().astype(int)
        edges = edges[[1, -2]] if bands and count > 1 else edges[1:-1]
        along = np.searchsorted(edges, np.arange(labelled.shape[axis]), side="right")
        shape = [-1 if a == axis else 1 for a in range(ndim)]
        numbers = numbers * count + along.reshape(shape).astype(np.int32)
    return np.where(labelled, numbers + 1, 0).astype(np.int32)


def _whole_objects(parts: Parts, ids: AnyArray) -> Parts:
    """Parts to which objects belong as a whole: each to that of the middle of its box."""
    boxes = ndimage.find_objects(np.maximum(ids, 0))
    part_of = np.zeros(len(boxes) + 1, np.int32)
    for number, box in enumerate(boxes, 1):
        if box is not None:
            middle = tuple([(side.start + side.stop) // 2 for side in box])
            part_of[number] = parts[middle] or parts[box].max()
    return np.where(ids > 0, part_of[np.maximum(ids, 0)], parts)


def counts_of(parts: Parts, indices: AnyArray, classes: int) -> NDArray[np.int64]:
    """Labelled pixels of each class in each part, ``(parts, classes)``."""
    count, inside = int(parts.max(initial=0)), (parts > 0) & (indices >= 0)
    cells = (parts[inside] - 1) * np.int64(classes) + indices[inside]
    return np.bincount(cells, minlength=count * classes).reshape(count, classes)
