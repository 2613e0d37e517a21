"""Where the pixels of images and labels lie, and whether two of them lie on each other."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from .axes_image import SPATIAL, AxesImage, full_resolution, has_pixels
from .axis_guess import layer_axes
from .orientation import orientation_of, reorientation_matrix
from .placement import data_to_world, placement_of, world_matrix
from .resample import SPACING_TOLERANCE
from .types import AnyArray, PlacedLayer, is_layer
from .units import convert, length_unit

TOLERANCE = 0.25  # voxels: above rounded headers, below a shift of half a voxel
ANGLE_TOLERANCE = 0.05  # degrees that are worth telling
MAX_NAMED = 5
ADVICE = "They are used pixel by pixel: check that they belong together."


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of an array lie; channels are left out."""

    matrix: AnyArray  # homogeneous, from indices to the world
    shape: tuple[int, ...]
    axes: str = ""  # a letter for each dimension; "": unknown
    units: tuple[str, ...] = ()  # of each dimension of the world; "" where unknown
    orientation: str = ""  # directions of Z, Y and X, which arrays are turned by
    is_placed: bool = True  # else only the distance between voxels is known
    shown: AnyArray | None = None  # the matrix on the canvas; None without an affine kept beside it

    @property
    def spacing(self) -> AnyArray:
        """Distance between voxels along each axis."""
        return np.asarray(np.linalg.norm(self.matrix[:-1, :-1], axis=0))

    @property
    def origin(self) -> AnyArray:
        """World coordinates of the first voxel."""
        return np.asarray(self.matrix[:-1, -1])

    @property
    def has_spacing(self) -> bool:
        return self.is_placed or not np.allclose(self.spacing, 1)

    def along(self, axes: str) -> "Geometry":
        """The part along some of the axes, in this order."""
        dims = [self.axes.index(a) for a in axes]
        square = np.ix_([*dims, len(self.axes)], [*dims, len(self.axes)])
        return replace(
            self,
            matrix=self.matrix[square],
            shape=tuple(self.shape[i] for i in dims),
            axes=axes,
            units=tuple(self.units[i] for i in dims),
        )

    def in_units(self, units: Sequence[str]) -> "Geometry":
        """The same place in other units, where both are known."""
        factors = [convert(1.0, own, unit) for own, unit in zip(self.units, units, strict=True)]
        known = tuple(unit or own for own, unit in zip(self.units, units, strict=True))
        return replace(self, matrix=np.diag([*factors, 1.0]) @ self.matrix, units=known)

    def turned_to(self, orientation: str) -> "Geometry":
        """Of the array after `reorient`."""
        turned = reorientation_matrix(self.shape, self.axes, self.orientation, orientation)
        lengths = np.abs(turned[:-1, :-1].T) @ self.shape
        shape = tuple(int(n) for n in lengths)
        return replace(self, matrix=self.matrix @ turned, shape=shape)


def geometry_of(source: object, axes: str | None = None) -> Geometry | None:
    """Where the pixels of a layer or of the image of a file lie; None without layer or pixels.

    `axes` are those of the layer with C, if they are known otherwise than from the layer.
    """
    if isinstance(source, AxesImage):
        stored: Geometry | None = getattr(source.metadata.get("nifti"), "geometry", None)
        axes, shape = source.label_axes, source.label_shape
        return stored or spacing_geometry(source.spacing, axes, shape, source.unit)
    if not is_layer(source) or not hasattr(source, "affine") or not has_pixels(source):
        return None
    placed: PlacedLayer = source  # type: ignore[assignment]
    shape = tuple(full_resolution(placed).shape)
    letters = (axes or layer_axes(placed, len(shape)) or "")[: placed.ndim]
    dims = [i for i in range(placed.ndim) if letters[i : i + 1] != "C"]
    keep = np.ix_([*dims, placed.ndim], [*dims, placed.ndim])
    units = [length_unit(str(placed.units[i])) for i in dims]
    factors = np.diag([*(factor for factor, _ in units), 1.0])
    shown = factors @ data_to_world(placement_of(placed), placed.ndim)[keep]
    return Geometry(
        factors @ world_matrix(placed)[keep],
        tuple(shape[i] for i in dims),
        letters.replace("C", ""),
        tuple(unit for _, unit in units),
        orientation_of(placed),
        shown=shown if "nifti" in placed.metadata else None,
    )


def spacing_geometry(
    spacing: Sequence[float], axes: str, shape: Sequence[int], unit: str = ""
) -> Geometry:
    """Geometry of a file that stores the distance between pixels along Z, Y and X at most."""
    spatial = [i for i, a in enumerate(axes) if a in SPATIAL]
    named = "".join(axes[i] for i in spatial)
    steps = dict(zip(SPATIAL, spacing, strict=True))
    return Geometry(
        np.diag([*(steps[a] for a in named), 1.0]),
        tuple(shape[i] for i in spatial),
        named,
        (unit,) * len(named),
        is_placed=False,
    )


def apart(first: object, second: object, axes: str | None = None) -> str | None:
    """How a layer or image and another one differ in place; None if they do not.

    `axes` are those of the first, as in `geometry_of`.
    """
    names = layer_name(first, "image"), layer_name(second)
    return difference(geometry_of(first, axes), geometry_of(second), names)


def layer_name(source: object, default: str = "labels") -> str:
    """Name of a layer or image."""
    return str(getattr(source, "name", "") or default)


def difference(first: Geometry | None, second: Geometry | None, names: Sequence[str]) -> str | None:
    """One sentence on how two arrays of one shape differ in place; None if they do not.

    What is unknown of one of them is not compared; neither are arrays of different shapes.
    """
    if first is None or second is None:
        return None
    first, second = _by_affine_or_canvas(first, second)
    beside = f"{names[0]} and {names[1]} do not lie on each other"
    if sorted(first.axes) == sorted(second.axes) and first.axes != second.axes:
        return f"{beside}: their axes are {first.axes} and {second.axes}."
    aligned = _aligned(first, second)
    found = aligned and _differences(*aligned)
    return f"{beside}: {found}." if found else None


def summary(differences: Iterable[tuple[str, str | None]]) -> str | None:
    """The first difference of several files or layers, and the names of the others that differ."""
    found = {name: sentence for name, sentence in differences if sentence}
    first, *names = found or [""]
    if not names:
        return found.get(first)
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{found[first]} The same is true of {', '.join(names[:MAX_NAMED])}{more}."


def warn_if_apart(difference: str | None) -> None:
    """Say that labels do not lie on their image, but are used all the same."""
    if difference:
        warnings.warn(f"{difference} {ADVICE}", UserWarning, stacklevel=3)


def _by_affine_or_canvas(first: Geometry, second: Geometry) -> tuple[Geometry, Geometry]:
    """Both by the affines of their files; as shown if only one of them has such an affine."""
    if first.shown is not None and second.shown is None:
        first = replace(first, matrix=first.shown)
    elif first.shown is None and second.shown is not None:
        second = replace(second, matrix=second.shown)
    return first, second


def _aligned(first: Geometry, second: Geometry) -> tuple[Geometry, Geometry] | None:
    """Both along the axes they share, in the orientation and units of the first."""
    if first.axes and second.axes:
        second = second.turned_to(first.orientation)
        shared = "".join(a for a in first.axes if a in second.axes)
        first, second = first.along(shared), second.along(shared)
    if not first.shape or first.shape != second.shape:
        return None
    return first, second.in_units(first.units)


def _differences(first: Geometry, second: Geometry) -> str:
    """What differs, with both numbers; "" if nothing does."""
    if first.is_placed and second.is_placed:
        corners = np.array([*product(*[(0, n - 1) for n in first.shape], (1,))], float).T
        moved = np.linalg.solve(first.matrix, second.matrix @ corners) - corners
        if np.abs(moved).max() <= TOLERANCE:
            return ""
        return "; ".join([_distance(first, second, corners), *_details(first, second)])
    known = first.has_spacing and second.has_spacing
    same = np.allclose(first.spacing, second.spacing, rtol=SPACING_TOLERANCE)
    return _spacings(first, second) if known and not same else ""


def _distance(first: Geometry, second: Geometry, corners: AnyArray) -> str:
    moved = (second.matrix - first.matrix) @ corners
    furthest = np.linalg.norm(moved, axis=0).max()
    unit = first.units[-1] or "world units"
    return f"{_noun(first)}s of equal index are up to {furthest:.3g} {unit} apart"


def _details(first: Geometry, second: Geometry) -> list[str]:
    details = []
    if not np.allclose(first.spacing, second.spacing, rtol=1e-3):
        details.append(_spacings(first, second))
    if np.abs(np.subtract(first.origin, second.origin) / first.spacing).max() > TOLERANCE / 2:
        origins = (", ".join(f"{x:.4g}" for x in g.origin) for g in (first, second))
        details.append(f"the first {_noun(first)} is at {' and at '.join(origins)}{_unit(first)}")
    if (angle := _angle(first, second)) > ANGLE_TOLERANCE:
        details.append(f"the axes are turned by {angle:.3g} degrees")
    return details


def _spacings(first: Geometry, second: Geometry) -> str:
    sizes = (" x ".join(f"{s:.4g}" for s in g.spacing) for g in (first, second))
    axes = f" ({' x '.join(first.axes)})" if first.axes else ""
    return f"{_noun(first)}s are {' and '.join(sizes)}{_unit(first)}{axes}"


def _angle(first: Geometry, second: Geometry) -> float:
    """Largest angle between corresponding axes, in degrees."""
    directions = (g.matrix[:-1, :-1] / g.spacing for g in (first, second))
    cosines = np.multiply(*directions).sum(axis=0)
    return float(np.degrees(np.arccos(cosines.clip(-1, 1))).max())


def _noun(geometry: Geometry) -> str:
    return "voxel" if len(geometry.shape) > 2 else "pixel"


def _unit(geometry: Geometry) -> str:
    return f" {geometry.units[-1]}" if geometry.units[-1] else ""
