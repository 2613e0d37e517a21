"""Pixels that are NaN or infinite are not trained on."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from napari_segkit.images.array_cache import MaskedArray
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.blocks import slabs_of
from napari_segkit.images.intensity import Intensities, missing_pixels
from napari_segkit.images.labels import IGNORE
from napari_segkit.images.types import AnyArray, LazyArray

from .dataset import LabelledImages

Unlabelled: TypeAlias = Callable[[LazyArray, AxesImage, int], tuple[LazyArray, int]]


def complete_targets(
    labelled: LabelledImages,
    images: Sequence[AxesImage],
    targets: Sequence[LazyArray],
    measured: Sequence[Intensities],
    ndim: int,
    *,
    is_live: bool,
) -> list[LazyArray]:
    """Targets, unlabelled where their images are NaN or infinite; live ones change later."""
    unlabelled = _hidden_where_missing if is_live else _unlabelled_where_missing
    complete = [
        target if known.has_missing is False else _without_missing(target, image, ndim, unlabelled)
        for target, image, known in zip(targets, images, measured, strict=True)
    ]
    if any(a is not b for a, b in zip(complete, targets, strict=True)):
        _require_some(labelled, complete)
    return complete


def _without_missing(
    target: LazyArray, image: AxesImage, ndim: int, unlabelled: Unlabelled
) -> LazyArray:
    """The target, unlabelled where the image is NaN or infinite, which a warning tells."""
    if not np.issubdtype(image.data.dtype, np.floating):
        return target
    complete, count = unlabelled(target, image, ndim)
    if not count:
        return complete
    warnings.warn(
        f"{image.name} is NaN or infinite in {count} labelled pixels: they are left out of the "
        "training.",
        UserWarning,
        stacklevel=3,
    )
    return complete


def _unlabelled_where_missing(
    target: LazyArray, image: AxesImage, ndim: int
) -> tuple[LazyArray, int]:
    """The target with `IGNORE` at missing pixels, and how many were labelled."""
    labels, count = AxesImage(np.array(target), image.label_axes), 0
    for frame, (indices,) in labels.read_frames(ndim):
        for slab in _labelled_slabs(indices):
            missing = missing_pixels(image.read(frame, slab))
            if missing is not None:
                count += int((missing & (indices[slab] >= 0)).sum())
                indices[slab][missing] = IGNORE  # a view of the copy
    return np.asarray(labels.data) if count else target, count


def _hidden_where_missing(target: LazyArray, image: AxesImage, ndim: int) -> tuple[LazyArray, int]:
    """The same wherever something may be labelled later."""
    mask = np.zeros(image.label_shape, np.bool_)
    height, *rest = image.spatial_shape(ndim)
    for frame in image.frames(ndim):
        for slab in slabs_of((height, *rest)):
            region = (slab, *(slice(0, n) for n in rest))
            missing = missing_pixels(image.read(frame, region))
            if missing is not None:
                image.write(mask, frame, missing, region)
    if not mask.any():
        return target, 0
    return MaskedArray(target, mask, IGNORE), int((mask & (np.asarray(target) >= 0)).sum())


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
