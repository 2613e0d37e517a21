"""Which way an image lies in the body, and how it is turned to lie another way."""

from collections.abc import Sequence
from typing import Any

SPATIAL = "ZYX"
OPPOSITES = ("RL", "AP", "SI")  # right and left, anterior and posterior, superior and inferior


def orientation_of(layer: Any) -> str:
    """Say which way a layer lies in the body, as the file that it comes from told.

    Parameters
    ----------
    layer : napari layer, Snapshot or None
        Anything with `metadata`.

    Returns
    -------
    str
        Three letters, for Z, Y and X, such as "SAR"; "" where nothing is known.
    """
    header = getattr(layer, "metadata", {}).get("nifti")
    return str(getattr(header, "orientation", ""))


def reorient(data: Any, axes: str, orientation: str, wanted: str) -> Any:
    """Turn an array so that it lies another way, without copying it.

    Parameters
    ----------
    data : ndarray or dask array
        Its last dimensions are `axes`; there may be more in front, such as classes.
    axes : str
        One letter of "TCZYX" for each dimension.
    orientation : str
        The way it lies: three letters, for Z, Y and X, the direction in which each index grows.
    wanted : str
        The way it is to lie. ``turn(turned, axes, wanted, orientation)`` turns it back.

    Returns
    -------
    ndarray or dask array
        A view, with the same order of axes: its index along Z now grows towards ``wanted[0]``.
        The array itself where it has no Z, or where one of the two is "", not known.

    Raises
    ------
    ValueError
        If one of the two is no orientation.
    """
    front = data.ndim - len(axes)
    flat = front < 0 or not set(SPATIAL) <= set(axes)
    if flat or orientation == wanted or not (orientation and wanted):
        return data
    places = [front + axes.index(a) for a in SPATIAL]
    order, flips = list(range(data.ndim)), [slice(None)] * data.ndim
    for place, (source, flipped) in zip(places, _axis_moves(orientation, wanted), strict=True):
        order[place] = places[source]
        flips[place] = slice(None, None, -1 if flipped else None)
    return data.transpose(order)[tuple(flips)]


def reorient_spacing(
    spacing: Sequence[float], orientation: str, wanted: str
) -> tuple[float, float, float]:
    """Reorder the distances between pixels as `reorient` reorders the axes.

    Parameters
    ----------
    spacing : sequence of float
        Along Z, Y and X.
    orientation, wanted : str
        As in `reorient`.

    Returns
    -------
    tuple of float
        Along Z, Y and X after turning.
    """
    moves = _axis_moves(orientation, wanted) if orientation and wanted else ((0, 0), (1, 0), (2, 0))
    z, y, x = (float(spacing[source]) for source, _ in moves)
    return z, y, x


def _axis_moves(orientation: str, wanted: str) -> tuple[tuple[int, bool], ...]:
    """For each wanted direction, the axis it comes from and whether that is to be flipped."""
    lines = [_axis_pairs(orientation).index(line) for line in _axis_pairs(wanted)]
    return tuple((at, orientation[at] != w) for at, w in zip(lines, wanted, strict=True))


def _axis_pairs(orientation: str) -> list[int]:
    """Which of the three pairs of directions each letter is of."""
    lines = [i for letter in orientation for i, pair in enumerate(OPPOSITES) if letter in pair]
    if len(orientation) != 3 or sorted(lines) != [0, 1, 2]:
        raise ValueError(
            f"orientation={orientation!r} is not known: give three letters for Z, Y and X, one "
            'each of R or L, A or P, S or I, such as "SAR", or "" where it is not known.'
        )
    return lines


def transposable(data: Any) -> Any:
    """Zarr arrays and their like cannot be transposed; dask does it for them, lazily."""
    if hasattr(data, "transpose"):
        return data
    import dask.array as da

    return da.asarray(data)  # type: ignore[no-untyped-call]
