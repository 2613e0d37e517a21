"""Anatomical orientation of volumes, and views of them in another orientation."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from .array_cache import CachedArray
from .types import AnyArray, LazyArray

SPATIAL = "ZYX"
Array = TypeVar("Array", bound=LazyArray)


def orientation_of(layer: object) -> str:
    """Directions of Z, Y and X in the layer's NIfTI header, such as "SAR"; "" if unknown."""
    header = getattr(layer, "metadata", {}).get("nifti")
    return str(getattr(header, "orientation", ""))


def reorient(data: Array, axes: str, orientation: str, target: str) -> "Array | Any":
    """View of an array (..., *axes) in another orientation; the axes keep their order.

    An orientation has three letters for Z, Y and X: the direction in which each index grows. The
    array itself is returned if it has no Z or one of the orientations is "" (unknown). One that
    cannot be transposed (zarr) becomes a dask array.
    """
    leading = data.ndim - len(axes)
    volume = leading >= 0 and set(SPATIAL) <= set(axes)
    if not volume or orientation == target or not (orientation and target):
        return data
    dims = [leading + axes.index(a) for a in SPATIAL]
    order, flips = list(range(data.ndim)), [slice(None)] * data.ndim
    for dim, (source, flipped) in zip(dims, _axis_moves(orientation, target), strict=True):
        order[dim] = dims[source]
        flips[dim] = slice(None, None, -1 if flipped else None)
    if isinstance(data, CachedArray):
        return data.viewed(lambda pixels: pixels.transpose(order)[tuple(flips)])
    return _transposable(data).transpose(order)[tuple(flips)]


def reorient_spacing(
    spacing: Sequence[float], orientation: str, target: str
) -> tuple[float, float, float]:
    """Spacing along Z, Y and X after `reorient`."""
    known = orientation and target
    sources = [s for s, _ in _axis_moves(orientation, target)] if known else range(3)
    z, y, x = (float(spacing[source]) for source in sources)
    return z, y, x


def reorientation_matrix(
    shape: Sequence[int], axes: str, orientation: str, target: str
) -> AnyArray:
    """Homogeneous matrix from the indices after `reorient` to those of the array before."""
    matrix = np.eye(len(axes) + 1)
    if not (set(SPATIAL) <= set(axes) and orientation and target):
        return matrix
    dims = [axes.index(a) for a in SPATIAL]
    matrix[dims] = 0
    for dim, (source, flipped) in zip(dims, _axis_moves(orientation, target), strict=True):
        matrix[dims[source], dim] = -1 if flipped else 1
        matrix[dims[source], -1] = shape[dims[source]] - 1 if flipped else 0
    return matrix


def _transposable(data: LazyArray) -> Any:
    if hasattr(data, "transpose"):
        return data
    import dask.array as da

    return da.asarray(data)  # type: ignore[no-untyped-call]


def _axis_moves(orientation: str, target: str) -> list[tuple[int, bool]]:
    """For each axis of the target: the axis it comes from, and whether it is flipped."""
    from nibabel.orientations import ornt_transform

    moves = ornt_transform(_parse(target), _parse(orientation))  # type: ignore[no-untyped-call]
    return [(int(source), bool(flip < 0)) for source, flip in moves]


def _parse(orientation: str) -> AnyArray:
    """Array of an orientation as nibabel has them."""
    from nibabel.orientations import axcodes2ornt

    letters = orientation if set(orientation) <= set("RLAPSI") else ""
    axes: AnyArray = axcodes2ornt(letters)  # type: ignore[no-untyped-call]
    if sorted(axes[:, 0]) != [0, 1, 2]:
        raise ValueError(
            f"orientation={orientation!r} is not known: give three letters for Z, Y and X, one "
            'each of R or L, A or P, S or I, such as "SAR", or "" if it is unknown.'
        )
    return axes
