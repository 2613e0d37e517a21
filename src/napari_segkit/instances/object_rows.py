"""What is known of the objects of an image without their pixels, and the table of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.orientation import reorientation_matrix

from .candidates import border_axes, kept_by_size, pixel_size
from .link_slices import best_pairs

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class SliceOverlap:
    """Pixels that objects of a slice share with those of the one before it."""

    after: int  # the slice, counted through all stacks
    pairs: NDArray[np.int64]  # (pairs, 3): id before, id in the slice, pixels; in rising order


@dataclass(frozen=True)
class ObjectRows:
    """One row for each object, in the order of their ids from 1."""

    positions: NDArray[np.intp]  # class positions
    scores: NDArray[np.float32]
    pixels: NDArray[np.int64]
    boxes: NDArray[np.int64]  # (objects, axes of the labels, 2): first pixel and end
    stuff: NDArray[np.bool_] | None = None  # which are stuff; None: none

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, kept: NDArray[np.bool_]) -> "ObjectRows":
        """Some of the rows."""
        stuff = None if self.stuff is None else self.stuff[kept]
        return ObjectRows(
            self.positions[kept], self.scores[kept], self.pixels[kept], self.boxes[kept], stuff
        )

    def are_kept(self, image: AxesImage, ndim: int, config: ObjectConfig) -> NDArray[np.bool_]:
        """Which objects a config keeps by their size and at the border."""
        kept = kept_by_size(self.pixels, image, config)
        return kept & ~self._at_border(image, border_axes(ndim, config))

    def _at_border(self, image: AxesImage, along: str) -> NDArray[np.bool_]:
        """Which objects are at the ends of the image along some axes."""
        touching = np.zeros(len(self), bool)
        ends = self.boxes.transpose(1, 2, 0)
        for (start, stop), name in zip(ends, image.label_axes, strict=True):
            if name in along and image.length(name) > 1:
                touching |= (start == 0) | (stop == image.length(name))
        return touching

    def reoriented(self, image: AxesImage, orientation: str) -> "ObjectRows":
        """The same objects with boxes in another orientation of their image."""
        matrix = reorientation_matrix(
            image.label_shape, image.label_axes, image.orientation, orientation
        )
        move = np.linalg.inv(matrix).round().astype(np.int64)
        corners = self.boxes - np.array([0, 1])
        moved = np.einsum("ij,njk->nik", move[:-1, :-1], corners) + move[:-1, -1:]
        boxes = np.sort(moved, axis=2) + np.array([0, 1])
        return replace(self, boxes=boxes)

    def table(self, image: AxesImage, classes: Sequence[LabelClass]) -> "DataFrame":
        """One row per object; columns as `results.Objects` describes."""
        from pandas import DataFrame

        columns: dict[str, object] = {
            "index": np.arange(1, len(self) + 1),
            "class": [classes[p].name for p in self.positions],
        }
        if self.stuff is not None:
            columns["kind"] = np.where(self.stuff, "stuff", "thing")
        columns["score"] = self.scores.round(4)
        columns["volume" if "Z" in image.axes else "area"] = self.pixels * pixel_size(image)
        columns["pixels"] = self.pixels
        dims = image.label_axes.lower()
        for end in (0, 1):
            columns |= {f"{a}{end}": self.boxes[:, i, end] for i, a in enumerate(dims)}
        return DataFrame(columns)


def link_rows(
    rows: ObjectRows, slices: NDArray[np.intp], overlaps: Sequence[SliceOverlap], threshold: float
) -> tuple[NDArray[np.int32], ObjectRows]:
    """Link objects that lie in one slice each, as `link_slices` links their labels.

    `slices` is the slice of each, counted through all stacks. Returns the new number of each id
    from 0 on, and the linked objects.
    """
    numbers, total = np.zeros(len(rows) + 1, np.int64), 0
    order = np.argsort(slices, kind="stable")
    present, starts = np.unique(slices[order], return_index=True)
    pairs_of = {overlap.after: overlap.pairs for overlap in overlaps}
    for number, members in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
        if number in pairs_of:
            first, second, pixels = pairs_of[number].T
            iou = pixels / (rows.pixels[first - 1] + rows.pixels[second - 1] - pixels)
            for one, other in best_pairs(first, second, iou, threshold):
                numbers[other] = numbers[one]
        fresh = members[numbers[members + 1] == 0] + 1
        numbers[fresh] = total + 1 + np.arange(len(fresh))
        total += len(fresh)
    return numbers.astype(np.int32), _merged(rows, numbers[1:] - 1, total)


def _merged(rows: ObjectRows, groups: NDArray[np.int64], count: int) -> ObjectRows:
    """Objects of several rows: the mean score of their pixels, and their most frequent class."""
    weights = np.zeros((count, int(rows.positions.max(initial=0)) + 1))
    np.add.at(weights, (groups, rows.positions), rows.pixels)
    pixels = weights.sum(axis=1)
    scores = np.bincount(groups, rows.scores * rows.pixels, count) / pixels.clip(1)
    boxes = boxes_around(rows.boxes, groups, count)
    whole = pixels.astype(np.int64)
    return ObjectRows(weights.argmax(axis=1), scores.astype(np.float32), whole, boxes)


def boxes_around(
    boxes: NDArray[np.int64], groups: NDArray[np.integer], count: int
) -> NDArray[np.int64]:
    """The box around the boxes of each of `count` groups."""
    around = np.empty((count, *boxes.shape[1:]), np.int64)
    around[..., 0], around[..., 1] = np.iinfo(np.int64).max, 0
    np.minimum.at(around[..., 0], groups, boxes[..., 0])
    np.maximum.at(around[..., 1], groups, boxes[..., 1])
    return around


def numbers_of(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The new number of each id from 0 on, consecutive for those that are kept, else 0."""
    return np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32)
