"""Sizes of objects, from which anchors, grids and seeds are chosen."""

from collections.abc import Iterator, Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray
from napari_segkit.images.value_counts import count_values

Floats = NDArray[np.float64]


def each_frame(ids: AnyArray, image: AxesImage, ndim: int) -> Iterator[AnyArray]:
    """Yield the ids of each frame of an `ndim`-dimensional method, ``(Y, X)`` or ``(Z, Y, X)``."""
    for _, (frame,) in AxesImage(ids, image.label_axes).read_frames(ndim):
        yield frame


def occurrences(ids: AnyArray, image: AxesImage) -> NDArray[np.intp]:
    """Ids above 0, once per time point: an id that comes back is another object there."""
    present = [count_values(np.maximum(frame, 0))[0] for frame in each_frame(ids, image, 3)]
    ids_present = np.concatenate(present).astype(np.intp)
    return ids_present[ids_present > 0]


def diameters(ids: AnyArray, spacing: Sequence[float]) -> Floats:
    """Diameters of the discs (balls) of equal area (volume), by rising id.

    In pixels of the finest axis; `spacing` is in world units per axis.
    """
    values, counts = count_values(np.maximum(ids, 0))
    volume = counts[values > 0] * np.prod(np.divide(spacing, min(spacing)))
    return (2 * np.sqrt(volume / pi)) if ids.ndim == 2 else np.cbrt(6 * volume / pi)


def box_lengths(ids: AnyArray) -> Floats:
    """Edges of the objects' bounding boxes in pixels, ``(objects, axes)``, by rising id."""
    from scipy import ndimage

    boxes = [b for b in ndimage.find_objects(np.maximum(ids, 0)) if b is not None]
    edges = [[s.stop - s.start for s in box] for box in boxes]
    return np.asarray(edges, np.float64).reshape(-1, ids.ndim)


def training_box_lengths(
    ids: AnyArray, image: AxesImage, ndim: int, voxel_size: float | None = None
) -> Floats:
    """Edges of the boxes a method of `ndim` dimensions trains on, ``(objects, ndim)``.

    In pixels, of `voxel_size` world units if given.
    """
    edges = np.concatenate([box_lengths(frame) for frame in each_frame(ids, image, ndim)])
    return edges if voxel_size is None else edges * np.divide(image.spacing[-ndim:], voxel_size)
