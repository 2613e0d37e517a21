"""Predicted objects before thresholds, which can then change without predicting again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import SPATIAL, AxesImage
from napari_segkit.images.labels import add_to_ids
from napari_segkit.images.regions import Region
from napari_segkit.images.types import AnyArray

from .link_slices import link_slices
from .roi_masks import paste

MIN_VISIBLE = 0.5  # objects with a smaller visible fraction are dropped
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SelectedObjects:
    """Objects that a config keeps."""

    labels: NDArray[np.int32]  # without channels: 0 background, objects from 1
    positions: NDArray[np.intp]  # class position of each object
    scores: Floats  # 0 to 1
    stuff: NDArray[np.bool_] | None = None  # which are stuff; None: none

    def subset(self, kept: NDArray[np.bool_]) -> "SelectedObjects":
        """The kept objects, renumbered consecutively."""
        if kept.all():
            return self
        number = np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32)
        stuff = None if self.stuff is None else self.stuff[kept]
        return SelectedObjects(number[self.labels], self.positions[kept], self.scores[kept], stuff)


class Candidates(Protocol):
    """Predicted objects of any kind."""

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions of all candidates."""

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """Select the objects that a config keeps."""


@dataclass(frozen=True)
class RegionCandidates:
    """Objects that fill disjoint regions."""

    objects: SelectedObjects
    image: AxesImage  # or its axes and spacing only
    ndim: int  # of the model: slices of a stack are linked where it is 2

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions of all candidates."""
        return np.unique(self.objects.positions)

    def select(self, config: ObjectConfig) -> SelectedObjects:
        confident = self.objects.subset(self.objects.scores >= config.score)
        return link_and_filter(confident, self.image, self.ndim, config)


@dataclass(frozen=True)
class SoftMasks:
    """Objects of one image, each a soft mask in its bounding box, by falling score."""

    boxes: Floats  # (N, 4): x0, y0, x1, y1 in pixels of the image
    masks: NDArray[np.float16]  # (N, 28, 28): probabilities inside the box
    positions: NDArray[np.intp]  # class position of each
    scores: Floats

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, which: Sequence[int] | NDArray[np.bool_] | NDArray[np.intp]) -> "SoftMasks":
        """Select by index or mask."""
        return SoftMasks(
            self.boxes[which], self.masks[which], self.positions[which], self.scores[which]
        )

    @staticmethod
    def concatenate(parts: Sequence["SoftMasks"]) -> "SoftMasks":
        """Concatenate and sort by falling score."""
        joined = SoftMasks(
            np.concatenate([np.zeros((0, 4), np.float32), *(p.boxes for p in parts)]),
            np.concatenate([np.zeros((0, 28, 28), np.float16), *(p.masks for p in parts)]),
            np.concatenate([np.zeros(0, np.intp), *(p.positions for p in parts)]),
            np.concatenate([np.zeros(0, np.float32), *(p.scores for p in parts)]),
        )
        return joined.take(np.argsort(-joined.scores, kind="stable"))


@dataclass(frozen=True)
class MaskCandidates:
    """Objects with soft masks, which may overlap until they are selected."""

    frames: list[SoftMasks]  # of each 2D frame, in the order of `AxesImage.frames`
    image: AxesImage  # or its axes and spacing only
    region: Region | None = None  # outside of which there are no objects
    ndim: int = field(default=2, init=False)

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions of all candidates."""
        none = np.zeros(0, np.intp)
        return np.unique(np.concatenate([none, *(frame.positions for frame in self.frames)]))

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """Select the objects; a pixel of several belongs to the one with the highest score."""
        labels = np.zeros(self.image.label_shape, np.int32)
        target = AxesImage(labels, self.image.label_axes)
        positions, scores, last = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)], 0
        whole = [slice(0, n) for n in target.spatial_shape(2)]
        for frame, candidates in zip(target.frames(2), self.frames, strict=True):
            rendered, kept = render_labels(candidates, target.spatial_shape(2), config)
            if self.region is not None:
                rendered[~self.region.inside(frame, whole)] = 0
            target.write(labels, frame, add_to_ids(rendered, last))
            positions.append(candidates.positions[kept])
            scores.append(candidates.scores[kept])
            last += len(kept)
        selected = SelectedObjects(labels, np.concatenate(positions), np.concatenate(scores))
        return link_and_filter(selected, self.image, 2, config)


def render_labels(
    candidates: SoftMasks, shape: Sequence[int], config: ObjectConfig
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Paint masks by falling score into int32 labels; also the candidate of each label 1, 2, ..."""
    labels = np.zeros(tuple(shape), np.int32)
    kept: list[int] = []
    for number in np.flatnonzero(candidates.scores >= config.score):
        mask, place = paste(candidates.masks[number], candidates.boxes[number], shape)
        inside = mask >= config.mask_threshold
        free = inside & (labels[place] == 0)
        if free.any() and free.sum() >= MIN_VISIBLE * inside.sum():
            kept.append(int(number))
            labels[place][free] = len(kept)
    return labels, np.asarray(kept, np.intp)


def link_objects(
    selected: SelectedObjects, image: AxesImage, ndim: int, config: ObjectConfig
) -> SelectedObjects:
    """Link the objects of neighbouring slices if a stack was predicted slice by slice.

    A linked object has the mean score of its pixels, and their most frequent class.
    """
    axes = image.label_axes
    if ndim == 3 or "Z" not in axes or config.link is None or not len(selected.scores):
        return selected
    labels = np.zeros_like(selected.labels)
    source, last, links = AxesImage(selected.labels, axes), 0, []
    for frame, (stack,) in source.read_frames(3):
        linked, table = link_slices(stack, config.link)
        source.write(labels, frame, add_to_ids(linked, last))
        links.append(table + np.array([0, 0, last, 0]))
        last += int(table[:, 2].max(initial=0))
    _, old, new, pixels = np.concatenate(links).T
    weights = np.zeros((last + 1, int(selected.positions.max()) + 1))
    np.add.at(weights, (new, selected.positions[old - 1]), pixels)
    scores = np.bincount(new, selected.scores[old - 1] * pixels) / np.bincount(new, pixels).clip(1)
    return SelectedObjects(labels, weights[1:].argmax(axis=1), scores[1:].astype(np.float32))


def link_and_filter(
    selected: SelectedObjects, image: AxesImage, ndim: int, config: ObjectConfig
) -> SelectedObjects:
    """Link objects through slices, then drop some by size, or at the border.

    The first and last slice are no border where objects lie in one slice each.
    """
    selected = link_objects(selected, image, ndim, config)
    pixels = np.bincount(selected.labels.ravel(), minlength=len(selected.scores) + 1)[1:]
    kept = kept_by_size(pixels, image, config)
    if along := border_axes(ndim, config):
        kept[border_ids(selected.labels, image.label_axes, along) - 1] = False
    return selected.subset(kept)


def kept_by_size(
    pixels: NDArray[np.integer], image: AxesImage, config: ObjectConfig
) -> NDArray[np.bool_]:
    """Which objects of so many pixels a config keeps."""
    sizes = pixels * pixel_size(image)
    kept = (pixels > 0) & (sizes >= config.min_size)
    if config.max_size is not None:
        kept &= sizes <= config.max_size
    return np.asarray(kept)


def border_axes(ndim: int, config: ObjectConfig) -> str:
    """Axes at whose ends no object is kept; "": all are kept."""
    if config.border:
        return ""
    return "YX" if ndim == 2 and config.link is None else SPATIAL


def pixel_size(image: AxesImage) -> float:
    """Area of a pixel, or volume of a voxel, in world units."""
    spacing = dict(zip(SPATIAL, image.spacing, strict=True))
    return float(np.prod([spacing[a] for a in image.label_axes if a in SPATIAL]))


def border_ids(labels: AnyArray, axes: str, along: str) -> AnyArray:
    """Ids of objects at the ends of the image along some axes."""
    ends = [
        np.take(labels, end, axis).ravel()
        for axis, name in enumerate(axes)
        if name in along and labels.shape[axis] > 1
        for end in (0, -1)
    ]
    ids = np.unique(np.concatenate(ends))
    return ids[ids > 0]
