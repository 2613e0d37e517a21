"""Anatomical orientation of volumes, and views of them in another orientation."""

from collections.abc import Sequence
from typing import Any

SPATIAL = "ZYX"
OPPOSITES = ("RL", "AP", "SI")  # right and left, anterior and posterior, superior and inferior


def orientation_of(layer: Any) -> str:
    """Directions of Z, Y and X in the layer's NIfTI header, such as "SAR"; "" if unknown."""
    header = getattr(layer, "metadata", {}).get("nifti")
    return str(getattr(header, "orientation", ""))


def reorient(data: Any, axes: str, orientation: str, target: str) -> Any:
    """View of an array (..., *axes) in another orientation; the axes keep their order.

    An orientation has three letters for Z, Y and X: the direction in which each index grows. The
    array itself is returned if it has no Z or one of the orientations is "" (unknown).
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
    return data.transpose(order)[tuple(flips)]


def reorient_spacing(
    spacing: Sequence[float], orientation: str, target: str
) -> tuple[float, float, float]:
    """Spacing along Z, Y and X after `reorient`."""
    unchanged = ((0, False), (1, False), (2, False))
    moves = _axis_moves(orientation, target) if orientation and target else unchanged
    z, y, x = (float(spacing[source]) for source, _ in moves)
    return z, y, x


def transposable(data: Any) -> Any:
    """The array, as a lazy dask array if it cannot be transposed (zarr)."""
    if hasattr(data, "transpose"):
        return data
    import dask.array as da

    return da.asarray(data)  # type: ignore[no-untyped-call]


def _axis_moves(orientation: str, target: str) -> tuple[tuple[int, bool], ...]:
    """For each axis of the target: the axis it comes from, and whether it is flipped."""
    sources = [_axis_pairs(orientation).index(pair) for pair in _axis_pairs(target)]
    return tuple((s, orientation[s] != letter) for s, letter in zip(sources, target, strict=True))


def _axis_pairs(orientation: str) -> list[int]:
    """For each letter the pair of `OPPOSITES` it belongs to."""
    pairs = [i for letter in orientation for i, pair in enumerate(OPPOSITES) if letter in pair]
    if len(orientation) != 3 or sorted(pairs) != [0, 1, 2]:
        raise ValueError(
            f"orientation={orientation!r} is not known: give three letters for Z, Y and X, one "
            'each of R or L, A or P, S or I, such as "SAR", or "" if it is unknown.'
        )
    return pairs
