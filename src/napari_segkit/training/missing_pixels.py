"""Pixels that are NaN or infinite are not trained on."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.intensity import Intensities, missing_pixels
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.types import AnyArray, LazyArray

from .blocks import slabs_of
from .dataset import LabelledImages


def complete_targets(
    labelled: LabelledImages,
    images: Sequence[AxesImage],
    targets: Sequence[LazyArray],
    measured: Sequence[Intensities],
    ndim: int,
) -> list[LazyArray]:
    """Targets, unlabelled where their images are NaN or infinite."""
    complete = [
        target if known.has_missing is False else _without_missing(target, image, ndim)
        for target, image, known in zip(targets, images, measured, strict=True)
    ]
    if any(a is not b for a, b in zip(complete, targets, strict=True)):
        _require_some(labelled, complete)
    return complete


def _without_missing(target: LazyArray, image: AxesImage, ndim: int) -> LazyArray:
    """The target, unlabelled where the image is NaN or infinite, which a warning tells."""
    if not np.issubdtype(image.data.dtype, np.floating):
        return target
    complete, count = _unlabelled_where_missing(target, image, ndim)
    if not count:
        return target
    _say_left_out(image, count)
    return complete


def missing_mask(image: AxesImage, labelled: AnyArray, ndim: int) -> NDArray[np.bool_] | None:
    """Where an image is NaN or infinite; None if nowhere. Of labelled pixels a warning tells."""
    mask = np.zeros(image.label_shape, np.bool_)
    for frame, pixels in image.read_frames(ndim):
        if (missing := missing_pixels(pixels)) is not None:
            image.write(mask, frame, missing)
    if count := int((mask & labelled).sum()):
        _say_left_out(image, count)
    return mask if mask.any() else None


def _say_left_out(image: AxesImage, count: int) -> None:
    warnings.warn(
        f"{image.name} is NaN or infinite in {count} labelled pixels: they are left out of the "
        "training.",
        UserWarning,
        stacklevel=4,
    )


def _unlabelled_where_missing(
    target: LazyArray, image: AxesImage, ndim: int
) -> tuple[AnyArray, int]:
    """The target with `IGNORE` at missing pixels, and how many were labelled."""
    labels, count = AxesImage(np.array(target), image.label_axes), 0
    for frame, (indices,) in labels.read_frames(ndim):
        for slab in _labelled_slabs(indices):
            missing = missing_pixels(image.read(frame, slab))
            if missing is not None:
                count += int((missing & (indices[slab] >= 0)).sum())
                indices[slab][missing] = IGNORE  # a view of the copy
    return np.asarray(labels.data), count


def _labelled_slabs(indices: AnyArray) -> Iterator[tuple[slice, ...]]:
    """Slabs with all labelled pixels, each small enough to be read."""
    for slab in slabs_of(indices.shape):
        for first, *others in ndimage.find_objects((indices[slab] >= 0).view(np.int8)):
            yield (slice(slab.start + first.start, slab.start + first.stop), *others)


def _require_some(labelled: LabelledImages, targets: Sequence[LazyArray]) -> None:
    """Refuse images that are NaN or infinite wherever a class is labelled."""
    if labelled.class_of is not None:
        return
    present = set().union(*(np.unique(np.asarray(target)).tolist() for target in targets))
    lost = [c.name for index, c in enumerate(labelled.classes) if index not in present]
    if lost:
        raise ValueError(
            f"The images are NaN or infinite at every labelled pixel of {', '.join(lost)}: label "
            "it elsewhere, too."
        )
