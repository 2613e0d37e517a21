"""How large objects are: what anchors, grids and seeds are chosen by."""

from collections.abc import Iterator, Sequence
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.labels import count

Floats = NDArray[np.float64]


def each_frame(ids: NDArray[Any], image: AxesImage, ndim: int) -> Iterator[NDArray[Any]]:
    """The ids of each place that a method of `ndim` dimensions walks.

    Parameters
    ----------
    ids : ndarray
        In the image's shape without channels.
    image : AxesImage
        Names the axes.
    ndim : int
        Spatial dimensions of the method, 2 or 3.

    Yields
    ------
    ndarray
        ``(Y, X)`` or ``(Z, Y, X)``.
    """
    named = AxesImage(ids, image.label_axes, image.spacing)
    region = tuple(slice(0, n) for n in image.spatial(ndim))
    for frame in named.frames(ndim):
        yield named.read(frame, region)[0]


def occurrences(ids: NDArray[Any], image: AxesImage) -> NDArray[np.intp]:
    """The id of each object; a number that comes back at another time is another object there.

    Parameters
    ----------
    ids, image
        As in `each_item`.

    Returns
    -------
    ndarray
        Ids above 0, once for each time point in which they occur.
    """
    present = [count(np.maximum(frame, 0))[0] for frame in each_frame(ids, image, 3)]
    found = np.concatenate(present).astype(np.intp)
    return found[found > 0]


def diameters(ids: NDArray[Any], spacing: Sequence[float]) -> Floats:
    """Diameter of the disc (ball) of each object's area (volume).

    Parameters
    ----------
    ids : ndarray
        ``(Y, X)`` or ``(Z, Y, X)``, 0 and negative numbers are no objects.
    spacing : sequence of float
        World units between pixels along each axis.

    Returns
    -------
    ndarray
        In pixels of the finest axis, by rising id; ids that do not occur are left out.
    """
    counts = np.bincount(np.maximum(ids, 0).ravel())[1:]
    volume = counts[counts > 0] * np.prod(np.divide(spacing, min(spacing)))
    return (2 * np.sqrt(volume / pi)) if ids.ndim == 2 else np.cbrt(6 * volume / pi)


def lengths(ids: NDArray[Any]) -> Floats:
    """Edges of the box around each object.

    Parameters
    ----------
    ids : ndarray
        As in `diameters`.

    Returns
    -------
    ndarray
        ``(objects, axes)`` in pixels, by rising id.
    """
    boxes = [b for b in ndimage.find_objects(np.maximum(ids, 0)) if b is not None]
    edges = [[s.stop - s.start for s in box] for box in boxes]
    return np.asarray(edges, np.float64).reshape(-1, ids.ndim)


def learned_lengths(
    ids: NDArray[Any], image: AxesImage, ndim: int, voxel_size: float | None = None
) -> Floats:
    """Edges of the boxes that a method of `ndim` dimensions learns from.

    Parameters
    ----------
    ids, image, ndim
        As in `each_item`.
    voxel_size : float, optional
        World units to which pixels are resampled before; None: as they are.

    Returns
    -------
    ndarray
        ``(objects, ndim)`` in pixels.
    """
    found = np.concatenate([lengths(frame) for frame in each_frame(ids, image, ndim)])
    return found if voxel_size is None else found * np.divide(image.spacing[-ndim:], voxel_size)
