"""Pixels that one of the compared models has learned from count for none of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import get_labels, slabs
from napari_segkit.images.axes_image import AxesImage, full_resolution
from napari_segkit.images.orientation import orientation_of, reorient
from napari_segkit.segmenter import Segmenter

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Seen:
    """The pixels of one image that any of the models was trained on, and validated with."""

    trained: Mask | None = None
    validated: Mask | None = None

    def mask(self, *, validated: bool) -> Mask | None:
        """The pixels that do not count, with those of the validation or without them."""
        masks = [m for m in (self.trained, self.validated if validated else None) if m is not None]
        return np.logical_or.reduce(masks) if masks else None


def seen_by(models: Sequence[Segmenter], image: Any, truth: Any) -> Seen:
    """What any of the models has learned from, in the orientation of the truth."""
    labels = get_labels(truth)
    shape = tuple(full_resolution(labels, "truth").shape)
    known = image.orientation if isinstance(image, AxesImage) else orientation_of(image)

    def union(masks: Iterable[Mask | None]) -> Mask | None:
        turned = [
            reorient(mask, "TZYX"[-mask.ndim :], known, orientation_of(labels))
            for mask in masks
            if mask is not None
        ]
        return np.logical_or.reduce(turned) if turned else None

    recording = [model for model in models if model.records_training]
    trained = union(model.trained_pixels(image) for model in recording)
    validated = union(model.validation_pixels(image) for model in recording)
    _require_shape(trained, shape)
    return Seen(trained, validated)


def count_left(truth: Any, mask: Mask | None, unlabelled: int | None) -> int:
    """How many pixels of a truth count; reads it block by block."""
    array = full_resolution(get_labels(truth), "truth")
    left = 0
    for part in slabs(array):
        values = np.asarray(array[part])
        counts = np.ones(values.shape, np.bool_) if unlabelled is None else values != unlabelled
        left += int((counts if mask is None else counts & ~mask[part]).sum())
    return left


def _require_shape(mask: Mask | None, shape: tuple[int, ...]) -> None:
    if mask is not None and mask.shape != shape:
        raise ValueError(
            f"An image has labels of the shape {mask.shape} and its truth has the shape {shape}: "
            "give the images that belong to the truth."
        )
