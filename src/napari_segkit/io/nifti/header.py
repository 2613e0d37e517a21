"""Headers of NIfTI files: axes, orientation, affine and units, and the original bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.orientations import aff2axcodes, io_orientation

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.geometry import Geometry
from napari_segkit.images.types import AnyArray, LayerOptions

LENGTH_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
TIME_UNITS = {"sec": "s", "msec": "ms", "usec": "us"}
VECTOR_INTENTS = (1004, 1005, 1006, 1007, 2003, 2004)  # matrices, vectors, colours
TIME_SERIES_INTENT = 2001
RANK_TOLERANCE = 1e-6  # relative; axes closer than this to one plane do not span space
STRAIGHT_TOLERANCE = 1e-9  # sine of an angle; napari cannot paint on axes with a larger tilt
NIFTI2_SIGNATURES = (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")  # header size, both byte orders
NibabelHeader = Any  # Nifti1Header or Nifti2Header; nibabel's own types leave most calls out
NibabelImage = Any  # Nifti1Image or Nifti2Image
NibabelExtension = Any  # Nifti1Extension
Block = tuple[AnyArray, ...]  # indices of rows and columns


@dataclass(frozen=True)
class NiftiHeader:
    """The header of a NIfTI file, which layers keep in ``metadata["nifti"]``."""

    raw: bytes = field(repr=False)  # with its extensions, as in the file
    axes: str  # of the file's dimensions, such as "XYZT"; without length 1 after the third
    orientation: str = ""  # directions of Z, Y and X, such as "SAR"; "": unknown
    world_view: bool = False  # the layer is shown in the world, also if its axes are oblique

    @property
    def layer_axes(self) -> str:
        """The axes in the order of the arrays that are read, such as "TZYX"."""
        return "".join(a for a in AXES if a in self.axes)

    @property
    def geometry(self) -> Geometry:
        """Where the voxels lie; without an affine, or of a plane, only their size is known."""
        header = self.to_nibabel()
        axes = "".join(a for a in self.layer_axes if a in SPATIAL)
        unit = LENGTH_UNITS.get(header.get_xyzt_units()[0], "mm")
        lengths = dict(zip(self.axes, header.get_data_shape(), strict=False))
        matrix = file_to_layer_matrix(file_affine(self), self.axes, axes)
        return Geometry(
            matrix,
            tuple(lengths[a] for a in axes),
            axes,
            (unit,) * len(axes),
            self.orientation,
            is_placed="Z" in axes and stored_affine(header) is not None,
            shown=matrix,
        )

    def to_nibabel(self) -> NibabelHeader:
        """A new nibabel header, which may be changed."""
        kind = Nifti2Header if self.raw[:4] in NIFTI2_SIGNATURES else Nifti1Header
        return kind.from_fileobj(BytesIO(self.raw))  # type: ignore[no-untyped-call]

    @property
    def tilt(self) -> AnyArray:
        """4 x 4 matrix that turns the world's axes to those of the voxel grid; x, y, z."""
        matrix = np.eye(4)
        if "Z" in self.axes:
            axes, straight = _grid_axes(file_affine(self), self.axes)
            matrix[:3, :3] = axes @ np.linalg.inv(straight)
        is_straight = np.allclose(matrix, np.eye(4), rtol=0, atol=STRAIGHT_TOLERANCE)
        return np.eye(4) if is_straight else matrix

    @property
    def is_oblique(self) -> bool:
        """Whether axes of the voxel grid are not parallel to those of the world."""
        return not np.array_equal(self.tilt, np.eye(4))

    def shown_to_world(self, axis_labels: Sequence[object], ndim: int) -> AnyArray:
        """Homogeneous matrix from where a layer is shown to where it lies in the world.

        The identity, unless the layer of an oblique volume is shown along its voxel grid.
        """
        axes = layer_axes(axis_labels, ndim, self)
        if self.world_view or "Z" not in axes:
            return np.eye(ndim + 1)
        return file_to_layer_matrix(self.tilt, "XYZ", axes)


def parse_header(image: NibabelImage) -> NiftiHeader:
    """Header of an opened nibabel image; ValueError unless it has two to five dimensions."""
    header = image.header.copy()
    header.set_data_offset(0)  # this copy has no voxels after it
    stream = BytesIO()
    header.write_to(stream)
    affine = stored_affine(header) if image.ndim > 2 else None
    spatial = _nearest_axes(affine) if affine is not None else "XYZ"[: image.ndim]
    directions = _directions(affine, spatial) if affine is not None else {}
    return NiftiHeader(
        stream.getvalue(),
        spatial + _extra_axes(header),
        "".join(directions.get(a, "") for a in SPATIAL),
    )


def stored_affine(header: NibabelHeader) -> AnyArray | None:
    """4 x 4 sform, or else qform; None if neither is set or the axes do not span space."""
    for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        if code and np.isfinite(matrix).all() and _spans_space(matrix[:3, :3]):
            return np.asarray(matrix, float)
    return None


def file_affine(source: NiftiHeader) -> AnyArray:
    """4 x 4 matrix from file indices to x, y, z; voxel sizes only for 2D or without an affine."""
    header = source.to_nibabel()
    affine = stored_affine(header) if "Z" in source.axes else None
    if affine is not None:
        return affine
    sizes = np.abs(header["pixdim"][1:4].astype(float))
    return np.diag([*np.where(sizes > 0, sizes, 1.0), 1.0])


def layer_placement(source: NiftiHeader) -> LayerOptions:
    """`scale`, `affine`, `units` and `axis_labels` of a napari layer in the file's world.

    The voxel sizes (to six digits) are the scale, everything else is in the affine. napari cannot
    paint on oblique volumes, so these are shown turned about the world's origin until their axes
    are straight: volumes with the same axes stay in place relative to each other.
    """
    header, axes = source.to_nibabel(), source.layer_axes
    world = file_affine(source)
    matrix = file_to_layer_matrix(_shown_matrix(source, world), source.axes, axes)
    sizes = np.linalg.norm(world[:3, :3], axis=0)
    steps = {a: float(f"{size:.6g}") for a, size in zip(source.axes, sizes, strict=False)}
    step = float(header["pixdim"][4])
    steps |= {"T": step if step > 0 else 1.0, "C": 1.0}
    scale = np.array([steps[a] for a in axes])
    for i, axis in enumerate(axes):
        if axis not in SPATIAL:
            matrix[i, i] = scale[i]
            matrix[i, -1] = float(header["toffset"]) if axis == "T" else 0.0
    matrix[:-1, :-1] /= scale
    return {
        "scale": scale,
        "affine": matrix,
        "units": _units(header, axes),
        "axis_labels": tuple(axes),
    }


def angle_between(one: AnyArray, other: AnyArray) -> float:
    """Angle in degrees between two rotations, such as `NiftiHeader.tilt`."""
    turned = np.linalg.solve(one[:3, :3], other[:3, :3])
    return float(np.degrees(np.arccos(np.clip((np.trace(turned) - 1) / 2, -1, 1))))


def file_to_layer_matrix(affine: AnyArray, file_axes: str, axes: str) -> AnyArray:
    """Homogeneous matrix of a layer from the 4 x 4 affine of a file; identity for T and C."""
    matrix = np.eye(len(axes) + 1)
    layer_block, file_block = _spatial_blocks(file_axes, axes)
    matrix[layer_block] = affine[file_block]
    return matrix


def layer_to_file_matrix(
    matrix: AnyArray, axes: str, file_axes: str, base: AnyArray | None = None
) -> AnyArray:
    """Inverse of `file_to_layer_matrix`; `base` (4 x 4) gives a third axis the layer lacks."""
    affine = np.eye(4) if base is None else base.copy()
    layer_block, file_block = _spatial_blocks(file_axes, axes)
    affine[file_block] = matrix[layer_block]
    return affine


def layer_axes(axis_labels: Sequence[object], ndim: int, source: NiftiHeader | None) -> str:
    """Axes from a layer's axis labels, from its NIfTI header, or from `ndim`."""
    labels = "".join(str(a).upper()[:1] for a in axis_labels)
    stored = source.layer_axes if source else ""
    for axes in (labels, stored, stored.replace("C", "")):
        if len(axes) == ndim == len(set(axes)) and {"Y", "X"} <= set(axes) <= set(AXES):
            return axes
    if not 2 <= ndim <= 5:
        raise ValueError(
            f"A layer of {ndim} dimensions does not fit a NIfTI file, which has 2 to 5."
        )
    return "TCZYX" if ndim == 5 else "TZYX"[-ndim:]


def _shown_matrix(source: NiftiHeader, world: AnyArray) -> AnyArray:
    """4 x 4 matrix from file indices to where a new layer is shown."""
    if source.world_view or not source.is_oblique:
        return world
    shown = np.linalg.inv(source.tilt) @ world
    shown[:3, :3] = _grid_axes(world, source.axes)[1]  # without rounding errors
    return shown


def _grid_axes(world: AnyArray, file_axes: str) -> tuple[AnyArray, AnyArray]:
    """3 x 3: the voxel axes, and axes of these lengths along the nearest ones of the world."""
    axes = world[:3, :3]
    rows, columns = ["XYZ".index(a) for a in file_axes[:3]], [0, 1, 2]
    straight = np.zeros((3, 3))
    sizes = np.linalg.norm(axes, axis=0)
    straight[rows, columns] = np.copysign(sizes, axes[rows, columns])
    return axes, straight


def _spatial_blocks(file_axes: str, axes: str) -> tuple[Block, Block]:
    """Indices of the spatial part of a layer's matrix, and of a file's affine."""
    spatial = [a for a in axes if a in SPATIAL]
    layer = [axes.index(a) for a in spatial] + [len(axes)]
    rows = ["XYZ".index(a) for a in spatial] + [3]
    columns = [file_axes.index(a) for a in spatial] + [3]
    return np.ix_(layer, layer), np.ix_(rows, columns)


def _spans_space(axes: AnyArray) -> bool:
    lengths = np.linalg.norm(axes, axis=0)
    return bool(lengths.all() and np.linalg.matrix_rank(axes / lengths, tol=RANK_TOLERANCE) == 3)


def _nearest_axes(affine: AnyArray) -> str:
    """World axes nearest to the first three dimensions.

    napari fails to show data whose axes are swapped against those of the world.
    """
    nearest = io_orientation(affine)[:, 0]  # type: ignore[no-untyped-call]
    return "".join("XYZ"[int(axis)] for axis in nearest)


def _directions(affine: AnyArray, spatial: str) -> dict[str, str]:
    """Anatomical direction in which the index of each spatial axis grows."""
    directions = aff2axcodes(affine)  # type: ignore[no-untyped-call]
    return dict(zip(spatial, directions, strict=True))


def _extra_axes(header: NibabelHeader) -> str:
    """Axes of the dimensions after the third, without those of length 1."""
    shape: tuple[int, ...] = header.get_data_shape()
    time, vector, *rest = [*shape[3:], 1, 1]
    if len(shape) < 2 or any(n > 1 for n in rest):
        raise ValueError(
            f"it has the shape {shape}, but only images of two to five dimensions (X, Y, Z, time, "
            "vector) can be read"
        )
    if time > 1 and vector > 1:
        return "TC"
    if time > 1:
        return "T" if _is_time_series(header) else "C"
    return "C" * (vector > 1)


def _is_time_series(header: NibabelHeader) -> bool:
    """Whether the fourth dimension has a unit of time and a step, or the intent of a series."""
    intent = int(header["intent_code"])
    timed = header.get_xyzt_units()[1] in TIME_UNITS and header["pixdim"][4] > 0
    return intent not in VECTOR_INTENTS and (bool(timed) or intent == TIME_SERIES_INTENT)


def _units(header: NibabelHeader, axes: str) -> tuple[str, ...]:
    """Units for napari; files without a unit of length mean mm by convention."""
    length, time = header.get_xyzt_units()
    units = {"T": TIME_UNITS.get(time, "pixel"), "C": "pixel"}
    return tuple(units.get(a, LENGTH_UNITS.get(length, "mm")) for a in axes)
