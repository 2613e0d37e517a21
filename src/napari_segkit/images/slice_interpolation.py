"""Labels between painted slices, interpolated from their shapes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from napari_segkit.arguments import as_spacing, require_whole

from .axes_image import full_resolution
from .labels import integer_labels
from .types import AnyArray, Floats, ImageSource, Labels


def interpolate_slices(
    labels: ImageSource,
    axis: int = 0,
    *,
    unlabelled: int = 0,
    spacing: Sequence[float] | None = None,
) -> Labels:
    """Fill unlabelled pixels between painted slices with the shapes of each class.

    Parameters
    ----------
    labels : array of int or napari Labels layer
        A volume in which some slices are painted.
    axis : int
        The axis along which the slices lie.
    unlabelled : int
        The value of pixels to fill. Painted pixels stay as they are.
    spacing : sequence of float, optional
        Size of a pixel along each axis of the volume. None: 1.

    Returns
    -------
    array of int
        A copy. A class is filled in between two slices in which it is painted, never beyond the
        first and the last.

    Notes
    -----
    The signed distances to the outline of a class are interpolated linearly between two slices
    [1]_. Where several classes meet, a pixel belongs to the one it is deepest in. A class whose
    shapes do not overlap vanishes between them.

    References
    ----------
    .. [1] S. P. Raya, J. K. Udupa, "Shape-based interpolation of multidimensional objects", IEEE
       Transactions on Medical Imaging 9 (1990), 32-42.
    """
    filled = integer_labels(np.array(full_resolution(labels, "labels")))
    if (ndim := filled.ndim) < 2:
        raise ValueError(f"labels have shape {filled.shape}: give a volume, or several lines.")
    require_whole("axis", axis, f"one of the {ndim} axes of the labels", -ndim, ndim - 1)
    require_whole("unlabelled", unlabelled, "one label value")
    sizes = as_spacing((1,) if spacing is None else spacing, ndim)
    slices = np.moveaxis(filled, axis, 0)
    sampling = np.delete(sizes, axis)
    painted = slices != unlabelled
    box = _bounding_box(painted.any(axis=0))
    if box is None:
        return filled
    part = slices[(slice(None), *box)]
    depth = np.full(part.shape, -np.inf, np.float32)
    shapes = np.full(part.shape, unlabelled, part.dtype)
    for value in np.unique(part[painted[(slice(None), *box)]]):
        _interpolate_class(part == value, int(value), depth, shapes, sampling)
    empty = part == unlabelled
    part[empty] = shapes[empty]
    return filled


def _interpolate_class(
    mask: AnyArray, value: int, depth: Floats, shapes: Labels, sampling: AnyArray
) -> None:
    """Write a class between its painted slices, where no other class is deeper."""
    painted = np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1))
    for first, last in pairwise(painted):
        if last - first > 1:
            start, end = (_signed_distance(mask[i], sampling) for i in (first, last))
            for i in range(first + 1, last):
                weight = (i - first) / (last - first)
                inside = (1 - weight) * start + weight * end
                deepest = (inside >= 0) & (inside > depth[i])
                depth[i][deepest] = inside[deepest]
                shapes[i][deepest] = value


def _signed_distance(mask: AnyArray, sampling: AnyArray) -> Floats:
    """Distance to the outline of a shape: positive inside, negative outside."""
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, 1)
    inside, outside = (distance_transform_edt(m, sampling) for m in (padded, ~padded))
    signed: Floats = (inside - outside).astype(np.float32)
    return signed[(slice(1, -1),) * mask.ndim]


def _bounding_box(mask: AnyArray) -> tuple[slice, ...] | None:
    """The smallest region with all true pixels; None if there are none."""
    places = np.nonzero(mask)
    return tuple(slice(p.min(), p.max() + 1) for p in places) if places[0].size else None
