"""What a model found, kept so that thresholds can change without predicting again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.config import ObjectConfig
from napari_segkit.images.axes_image import SPATIAL, AxesImage

from .link_slices import link_slices
from .roi_masks import paste

VISIBLE = 0.5  # an object of which others leave less than this share is no object of its own
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SelectedObjects:
    """Objects as they are kept.

    Parameters
    ----------
    labels : ndarray
        int32 of the image's shape without channels: 0 background, 1, 2, ... objects.
    positions : ndarray
        Class position of each object.
    scores : ndarray
        float32, how sure the model is of each, 0 to 1.
    stuff : ndarray of bool or None
        Which of them are areas of a class without single objects; None: none.
    """

    labels: NDArray[np.int32]
    positions: NDArray[np.intp]
    scores: Floats
    stuff: NDArray[np.bool_] | None = None

    def only(self, kept: NDArray[np.bool_]) -> "SelectedObjects":
        """Those that are kept, numbered anew."""
        if kept.all():
            return self
        number = np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32)
        stuff = None if self.stuff is None else self.stuff[kept]
        return SelectedObjects(number[self.labels], self.positions[kept], self.scores[kept], stuff)


class Candidates(Protocol):
    """What a model found, whatever its kind."""

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions that occur in all that was found."""

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """The objects that a configuration keeps."""


@dataclass(frozen=True)
class RegionCandidates:
    """Objects that fill disjoint regions.

    Parameters
    ----------
    everything : SelectedObjects
        All of them.
    image : AxesImage
        Their image, or one of its axes and spacing.
    ndim : int
        Spatial dimensions of the model: slices of a stack are linked where it has two.
    """

    everything: SelectedObjects
    image: AxesImage
    ndim: int

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions that occur in all that was found."""
        return np.unique(self.everything.positions)

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """The objects that a configuration keeps."""
        sure = self.everything.only(self.everything.scores >= config.score)
        joined = linked(sure, self.image, self.ndim, config)
        return by_size(joined, self.image, config, flat=_flat(self.ndim, config))


@dataclass(frozen=True)
class SoftMasks:
    """Objects of one image, each with a soft mask in its box.

    Parameters
    ----------
    boxes : ndarray
        float32 ``(N, 4)``: x0, y0, x1, y1 in pixels of the image.
    masks : ndarray
        float16 ``(N, 28, 28)``: probabilities inside the box.
    positions : ndarray
        Class position of each.
    scores : ndarray
        float32, falling.
    """

    boxes: Floats
    masks: NDArray[np.float16]
    positions: NDArray[np.intp]
    scores: Floats

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.scores)

    def take(self, which: Any) -> "SoftMasks":
        """Some of them, by index or mask."""
        return SoftMasks(
            self.boxes[which], self.masks[which], self.positions[which], self.scores[which]
        )

    @staticmethod
    def joined(parts: Sequence["SoftMasks"]) -> "SoftMasks":
        """All of several, by falling score."""
        if not parts:
            none = np.zeros((0, 28, 28), np.float16)
            empty = np.zeros((0, 4), np.float32)
            return SoftMasks(empty, none, np.zeros(0, np.intp), np.zeros(0, np.float32))
        columns = ("boxes", "masks", "positions", "scores")
        boxes, masks, positions, scores = (
            np.concatenate([getattr(p, c) for p in parts]) for c in columns
        )
        order = np.argsort(-scores, kind="stable")
        return SoftMasks(boxes[order], masks[order], positions[order], scores[order])


@dataclass(frozen=True)
class MaskCandidates:
    """Objects with soft masks, which may overlap until they are chosen.

    Parameters
    ----------
    frames : list of SoftMasks
        One for each place along the axes that the model walks, in their order.
    image : AxesImage
        Their image, or one of its axes and spacing.
    """

    frames: list[SoftMasks]
    image: AxesImage
    ndim: int = field(default=2, init=False)

    @property
    def positions(self) -> NDArray[np.intp]:
        """Class positions that occur in all that was found."""
        none = np.zeros(0, np.intp)
        return np.unique(np.concatenate([none, *(frame.positions for frame in self.frames)]))

    def select(self, config: ObjectConfig) -> SelectedObjects:
        """The objects that a configuration keeps; of two that overlap, the surer has the pixel."""
        shape = self.image.without_channels()
        labels = np.zeros(shape, np.int32)
        flat = AxesImage(labels, self.image.label_axes)
        positions, scores, last = [], [], 0
        for frame, candidates in zip(flat.frames(2), self.frames, strict=True):
            drawn, kept = draw(candidates, flat.spatial(2), config)
            flat.write(labels, frame, np.where(drawn > 0, drawn + last, 0).astype(np.int32))
            positions.append(candidates.positions[kept])
            scores.append(candidates.scores[kept])
            last += len(kept)
        none = np.zeros(0, np.intp), np.zeros(0, np.float32)
        chosen = SelectedObjects(
            labels,
            np.concatenate([none[0], *positions]),
            np.concatenate([none[1], *scores]),
        )
        joined = linked(chosen, self.image, 2, config)
        return by_size(joined, self.image, config, flat=_flat(2, config))


def draw(
    candidates: SoftMasks, shape: Sequence[int], config: ObjectConfig
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Candidates as a labels image.

    Parameters
    ----------
    candidates : SoftMasks
        By falling score.
    shape : sequence of int
        Height and width.
    config : ObjectConfig
        Its `score` and `mask_threshold`.

    Returns
    -------
    tuple of ndarray
        int32 labels, and which candidate each label 1, 2, ... is.
    """
    labels = np.zeros(tuple(shape), np.int32)
    kept: list[int] = []
    for number in np.flatnonzero(candidates.scores >= config.score):
        mask, place = paste(candidates.masks[number], candidates.boxes[number], shape)
        inside = mask >= config.mask_threshold
        free = inside & (labels[place] == 0)
        if free.any() and free.sum() >= VISIBLE * inside.sum():
            kept.append(int(number))
            labels[place][free] = len(kept)
    return labels, np.asarray(kept, np.intp)


def linked(
    chosen: SelectedObjects, image: AxesImage, ndim: int, config: ObjectConfig
) -> SelectedObjects:
    """Objects of neighbouring slices as one, where a stack was predicted slice by slice.

    Parameters
    ----------
    chosen : SelectedObjects
        Each slice with objects of its own.
    image : AxesImage
        Names the axes.
    ndim : int
        Spatial dimensions of the model.
    config : ObjectConfig
        Its `link`.

    Returns
    -------
    SelectedObjects
        A linked object has the mean score of its pixels, and the class that most of them have.
    """
    axes = image.label_axes
    if ndim == 3 or "Z" not in axes or config.link is None or not len(chosen.scores):
        return chosen
    labels = np.zeros_like(chosen.labels)
    named, last, links = AxesImage(chosen.labels, axes), 0, []
    region = tuple(slice(0, n) for n in named.spatial(3))
    for frame in named.frames(3):
        joined, table = link_slices(named.read(frame, region)[0], config.link)
        named.write(labels, frame, np.where(joined > 0, joined + last, 0).astype(np.int32))
        links.append(table + np.array([0, 0, last, 0]))
        last += int(table[:, 2].max(initial=0))
    _, old, new, pixels = np.concatenate(links).T
    weights = np.zeros((last + 1, int(chosen.positions.max()) + 1))
    np.add.at(weights, (new, chosen.positions[old - 1]), pixels)
    scores = np.bincount(new, chosen.scores[old - 1] * pixels) / np.bincount(new, pixels).clip(1)
    return SelectedObjects(labels, weights[1:].argmax(axis=1), scores[1:].astype(np.float32))


def _flat(ndim: int, config: ObjectConfig) -> bool:
    """Whether each slice of a stack has objects of its own."""
    return ndim == 2 and config.link is None


def by_size(
    chosen: SelectedObjects, image: AxesImage, config: ObjectConfig, *, flat: bool
) -> SelectedObjects:
    """Without objects that are too small, too large, or cut off where that is not wanted.

    Parameters
    ----------
    chosen : SelectedObjects
        Some objects.
    image : AxesImage
        Its spacing says how large a pixel is.
    config : ObjectConfig
        Its `min_size`, `max_size` and `border`.
    flat : bool
        Objects lie in one slice each: a stack's first and last slice are no border.
    """
    count = len(chosen.scores)
    pixels = np.bincount(chosen.labels.ravel(), minlength=count + 1)[1:]
    sizes = pixels * pixel_size(image)
    kept = (pixels > 0) & (sizes >= config.min_size)
    if config.max_size is not None:
        kept &= sizes <= config.max_size
    if not config.border:
        kept[touching(chosen.labels, image.label_axes, "YX" if flat else SPATIAL) - 1] = False
    return chosen.only(kept)


def pixel_size(image: AxesImage) -> float:
    """Area of a pixel, or volume of a voxel, in world units."""
    along = dict(zip(SPATIAL, image.spacing, strict=True))
    return float(np.prod([along[a] for a in image.label_axes if a in SPATIAL]))


def touching(labels: NDArray[Any], axes: str, along: str) -> NDArray[Any]:
    """The objects at the image's ends along some axes."""
    edges = [
        np.take(labels, place, axis)
        for axis, name in enumerate(axes)
        if name in along and labels.shape[axis] > 1
        for place in (0, -1)
    ]
    found = np.unique(np.concatenate([e.ravel() for e in edges]))
    return found[found > 0]


def boxes_of(labels: NDArray[Any]) -> list[tuple[slice, ...] | None]:
    """The box around each of the labels 1, 2, ...; None where there is no such pixel."""
    return list(ndimage.find_objects(labels))


def without_pixels(image: AxesImage) -> AxesImage:
    """The image's axes and spacing, without its pixels."""
    return replace(image, data=np.broadcast_to(np.uint8(0), image.shape), metadata={})
