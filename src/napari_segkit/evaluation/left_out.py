"""Pixels that count in no metric: those outside a region, and those a model was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import given
from napari_segkit.images.axes_image import AxesImage, as_image, full_resolution
from napari_segkit.images.labels import IGNORE, LabelsError
from napari_segkit.images.orientation import orientation_of, reorient
from napari_segkit.images.regions import Region, as_region
from napari_segkit.images.types import ImageSource, Labels, is_layer

from .metric import Index, LabelSource
from .slab_reader import get_labels

Mask = NDArray[np.bool_]
ONLY_SEEN = "a model has seen all"  # a remedy is to count that, too


class Trained(Protocol):
    """How a model wants its images."""

    @property
    def axes(self) -> str: ...
    @property
    def channels(self) -> int: ...


class TrainedOn(Protocol):
    """What knows the pixels it was trained on, as a `Segmenter` does."""

    @property
    def records_training(self) -> bool: ...
    def ready(self) -> "Trained": ...
    def trained_pixels(self, image: ImageSource) -> Mask | None: ...
    def validation_pixels(self, image: ImageSource) -> Mask | None: ...


@dataclass(frozen=True)
class Limits:
    """What limits an evaluation to some of the pixels.

    Parameters
    ----------
    region : slices, dict, polygons, Shapes layer or mask, optional
        The pixels that count, as `images.regions.as_region` reads them. None: all.
    unseen_by : TrainedOn, optional
        The pixels that this model was trained on, or validated with, do not count.
    """

    region: object = None
    unseen_by: TrainedOn | None = None

    def __post_init__(self) -> None:
        model = self.unseen_by
        if model is None:
            return
        if not hasattr(model, "trained_pixels"):
            raise TypeError(f"unseen_by is {given(model)}: give a trained Segmenter.")
        if not model.records_training:
            raise ValueError(
                "The model does not record what it was trained on, as merged models and those of "
                "earlier versions: count all pixels instead."
            )


NO_LIMITS = Limits()


@dataclass(frozen=True)
class LeftOut:
    """How many pixels are left out, and why; counts of several images add up.

    Parameters
    ----------
    outside : int
        Pixels outside of the region.
    trained, validated : int
        Pixels of the region that the model was trained on, and that it was validated with.
    images : int
        Images that have such pixels.
    whole : int
        Images that are left out because nothing else of them is labelled.
    searched : int
        Images that were looked up in what the model records.
    """

    outside: int = 0
    trained: int = 0
    validated: int = 0
    images: int = 0
    whole: int = 0
    searched: int = 0

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def notes(self) -> Iterator[str]:
        """What is left out, in sentences."""
        if self.outside:
            yield f"Only a region counts: {self.outside:,} pixels outside of it are left out."
        if self.searched and not self.images:
            yield "The model was trained on none of these images, as their pixels show."
        if not self.images:
            return
        validated = f" and {self.validated:,} that it was validated with" * bool(self.validated)
        yield (
            f"Left out: {self.trained:,} pixels of {_images(self.images)} that the model was "
            f"trained on{validated}."
        )
        if self.whole:
            yield f"Nothing is left of {_images(self.whole)}, which are not in the table."


NOTHING = LeftOut()


class CountedPixels:
    """Marks the pixels of one image that are left out; counts them as they are read."""

    def __init__(self, truth: LabelSource, image: ImageSource | None, limits: Limits) -> None:
        labels = get_labels(truth)
        self._shape = tuple(full_resolution(labels, "truth").shape)
        self._region = None if limits.region is None else _region(limits.region, truth)
        self._trained = self._validated = None
        self._is_searched = limits.unseen_by is not None
        if limits.unseen_by is not None:
            if image is None:
                raise ValueError("unseen_by needs images: give the image of each truth.")
            model, place = limits.unseen_by, (image, orientation_of(labels), self._shape)
            self._trained = _in_place(model.trained_pixels(image), *place)
            self._validated = _in_place(model.validation_pixels(image), *place)
        self._is_limited = any(
            x is not None for x in (self._region, self._trained, self._validated)
        )
        self._outside = self._in_training = self._in_validation = self._remaining = 0

    def value_for(self, unlabelled: int | None) -> int | None:
        """The value that marks pixels that do not count, in labels where it may be `unlabelled`."""
        return IGNORE if unlabelled is None and self._is_limited else unlabelled

    def mark(self, truth: Labels, index: Index, value: int | None) -> Labels:
        """The labels at an index along the leading axes, with a value where they are left out."""
        if value is None or not self._is_limited:
            return truth
        left_out = self._left_out(index)
        if not left_out.any():
            return truth
        kind = np.result_type(truth.dtype, np.min_scalar_type(value))
        marked = truth.astype(kind if kind.kind in "iu" else np.int64)
        marked[left_out] = value
        return marked

    def count(self, truth: Labels, index: Index, value: int | None) -> None:
        """Count what is left out at an index, of labels that `mark` has marked."""
        if not self._is_limited:
            return
        inside = self._inside(index)
        self._outside += int(inside.size - inside.sum())
        self._in_training += _shared(self._trained, inside, index)
        self._in_validation += _shared(self._validated, inside, index)
        self._remaining += int((truth != value).sum())

    @property
    def left_out(self) -> LeftOut:
        """What was counted so far."""
        is_seen = bool(self._in_training or self._in_validation)
        return LeftOut(
            self._outside,
            self._in_training,
            self._in_validation,
            int(is_seen),
            int(is_seen and not self._remaining),
            int(self._is_searched),
        )

    def _left_out(self, index: Index) -> Mask:
        left_out = ~self._inside(index)
        for mask in (self._trained, self._validated):
            if mask is not None:
                left_out |= mask[index]
        return left_out

    def _inside(self, index: Index) -> Mask:
        """Which pixels lie in the region."""
        sides = [*index, *[slice(None)] * (len(self._shape) - len(index))]
        lengths = zip(sides, self._shape, strict=True)
        box = tuple(slice(*side.indices(n)[:2]) for side, n in lengths)
        if self._region is None:
            return np.ones([side.stop - side.start for side in box], np.bool_)
        return self._region.within(box)


def pool_left_out(counts: Sequence[LeftOut]) -> LeftOut:
    """Add up what is left out; ValueError if a model was trained on all of the images."""
    pooled = sum(counts, NOTHING)
    if counts and pooled.whole == len(counts):
        raise LabelsError(
            "The model was trained on every labelled pixel of the truth, or validated with it: "
            "evaluate it on other images, or count these pixels, too.",
            (ONLY_SEEN,),
        )
    return pooled


def truth_image(truth: LabelSource) -> AxesImage:
    """A truth with its axes, none of which are channels."""
    labels = get_labels(truth)
    return as_image(labels, labels_shape=full_resolution(labels, "truth").shape, name="truth")


def _region(region: object, truth: LabelSource) -> Region:
    labels = get_labels(truth)
    return as_region(region, truth_image(truth), labels if is_layer(labels) else None)


def _in_place(
    mask: Mask | None, image: ImageSource, orientation: str, shape: tuple[int, ...]
) -> Mask | None:
    """A mask of an image in the orientation of its labels; ValueError if it is of another shape."""
    if mask is None:
        return None
    known = image.orientation if isinstance(image, AxesImage) else orientation_of(image)
    mask = reorient(mask, "TZYX"[-mask.ndim :], known, orientation)
    if mask.shape != shape:
        raise ValueError(
            f"An image has labels of the shape {mask.shape} and its truth has the shape {shape}: "
            "give the images that belong to the truth."
        )
    return mask


def _shared(mask: Mask | None, inside: Mask, index: Index) -> int:
    return 0 if mask is None else int((mask[index] & inside).sum())


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"
