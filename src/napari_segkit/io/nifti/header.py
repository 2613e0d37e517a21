"""What a NIfTI file says beside its voxels: axes, place in the world, units, and all the rest."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.orientations import aff2axcodes, io_orientation
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AXES, SPATIAL

LENGTH_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
TIME_UNITS = {"sec": "s", "msec": "ms", "usec": "us"}
VECTOR_INTENTS = (1004, 1005, 1006, 1007, 2003, 2004)  # intents: matrices, vectors, colours
RANK_TOLERANCE = 1e-6  # axes that lie in one plane up to this, as a share of their length, do so
TIME_SERIES_INTENT = 2001  # intent: a time series
NibabelHeader = Any  # Nifti1Header or Nifti2Header; nibabel's own types leave most calls out
NIFTI2_SIGNATURES = (
    b"\x1c\x02\x00\x00",
    b"\x00\x00\x02\x1c",
)  # the size of its header, in either order


@dataclass(frozen=True)
class NiftiHeader:
    """The header of a NIfTI file; layers keep it in ``metadata["nifti"]``.

    Parameters
    ----------
    raw : bytes
        The header with its extensions, as it stands in a file.
    axes : str
        What the file's dimensions are, in the file's order, such as "XYZT" or, for a sagittal
        volume, "YZX"; those of length 1 after the third are left out.
    orientation : str
        The direction in which the index grows along Z, Y and X, such as "SAR"; "" where the
        file does not say it.
    """

    raw: bytes = field(repr=False)
    axes: str
    orientation: str = ""

    @property
    def layer_axes(self) -> str:
        """The axes in the order that arrays have once they are read, such as "TZYX"."""
        return "".join(a for a in AXES if a in self.axes)

    def to_nibabel(self) -> NibabelHeader:
        """Give the header as nibabel has it; a new one, that may be changed."""
        kind = Nifti2Header if self.raw[:4] in NIFTI2_SIGNATURES else Nifti1Header
        return kind.from_fileobj(BytesIO(self.raw))  # type: ignore[no-untyped-call]


def parse_header(image: Any) -> NiftiHeader:
    """Take from an opened file what is kept of it.

    Parameters
    ----------
    image : nibabel image
        An opened NIfTI file, of version 1 or 2.

    Returns
    -------
    NiftiHeader
        Its header, and what its dimensions mean.

    Raises
    ------
    ValueError
        If it has one dimension, or more than five that are longer than 1.
    """
    header = image.header.copy()
    header.set_data_offset(0)  # there are no voxels behind this copy
    stream = BytesIO()
    header.write_to(stream)
    known = stored_affine(header) if image.ndim > 2 else None
    spatial = _nearest_axes(known) if known is not None else "XYZ"[: image.ndim]
    codes = _directions(known, spatial) if known is not None else {}
    return NiftiHeader(
        stream.getvalue(),
        spatial + _extra_axes(header),
        "".join(codes.get(a, "") for a in SPATIAL),
    )


def stored_affine(header: NibabelHeader) -> NDArray[Any] | None:
    """Give the matrix from a file's indices to the world, None where the file tells none.

    Parameters
    ----------
    header : nibabel header
        Its sform counts before its qform, as everywhere.

    Returns
    -------
    ndarray or None
        4 x 4; None too for one whose axes lie in one plane, or nearly so.
    """
    for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)):
        if code and np.isfinite(matrix).all() and _spans_space(matrix[:3, :3]):
            return np.asarray(matrix, float)
    return None


def world_matrix(kept: NiftiHeader) -> NDArray[Any]:
    """Give the matrix from a file's indices to the world, as a layer shows it.

    Parameters
    ----------
    kept : NiftiHeader
        Of a file without an affine, and of a 2D one, the voxel sizes alone count.

    Returns
    -------
    ndarray
        4 x 4.
    """
    header = kept.to_nibabel()
    affine = stored_affine(header) if "Z" in kept.axes else None
    if affine is not None:
        return affine
    sizes = np.abs(header["pixdim"][1:4].astype(float))
    return np.diag([*np.where(sizes > 0, sizes, 1.0), 1.0])


def layer_placement(kept: NiftiHeader) -> dict[str, Any]:
    """Say where a layer with a file's voxels stands.

    Parameters
    ----------
    kept : NiftiHeader
        The file's header.

    Returns
    -------
    dict
        `scale` (voxel sizes, to six digits), `affine` (everything else), `units` and
        `axis_labels` for napari. The world is that of the file, its axes being Z, Y and X.
    """
    header, ours = kept.to_nibabel(), kept.layer_axes
    matrix = file_to_layer_matrix(world_matrix(kept), kept.axes, ours)
    steps, starts = {"T": _time_step(header)}, {"T": float(header["toffset"])}
    sizes = np.linalg.norm(world_matrix(kept)[:3, :3], axis=0)
    lengths = {a: float(f"{size:.6g}") for a, size in zip(kept.axes, sizes, strict=False)}
    scale = np.array([{**lengths, **steps, "C": 1.0}[a] for a in ours])
    for place in (i for i, a in enumerate(ours) if a not in SPATIAL):
        matrix[place, place] = scale[place]
        matrix[place, -1] = starts.get(ours[place], 0.0)
    matrix[:-1, :-1] /= scale
    return {
        "scale": scale,
        "affine": matrix,
        "units": _units(header, ours),
        "axis_labels": tuple(ours),
    }


def file_to_layer_matrix(affine: NDArray[Any], axes: str, ours: str) -> NDArray[Any]:
    """Turn a matrix of a file into one of a layer: from Z Y X to Z Y X.

    Parameters
    ----------
    affine : ndarray
        4 x 4, from the file's indices to x, y, z.
    axes, ours : str
        Axes of the file's and of the layer's dimensions.

    Returns
    -------
    ndarray
        One row and column more than the layer has dimensions; those but Z, Y, X are untouched.
    """
    matrix = np.eye(len(ours) + 1)
    spatial = [a for a in ours if a in SPATIAL]
    rows = ["XYZ".index(a) for a in spatial] + [3]
    columns = [axes.index(a) for a in spatial] + [3]
    places = [ours.index(a) for a in spatial] + [len(ours)]
    matrix[np.ix_(places, places)] = affine[np.ix_(rows, columns)]
    return matrix


def layer_to_file_matrix(
    matrix: NDArray[Any], ours: str, axes: str, base: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Turn a matrix of a layer into one of a file; undoes `file_to_layer_matrix`.

    Parameters
    ----------
    matrix : ndarray
        One row and column more than the layer has dimensions.
    ours, axes : str
        Axes of the layer's and of the file's dimensions.
    base : ndarray, optional
        What holds for a third axis that the layer lacks, 4 x 4.

    Returns
    -------
    ndarray
        4 x 4, from the file's indices to x, y, z.
    """
    affine = np.eye(4) if base is None else base.copy()
    spatial = [a for a in ours if a in SPATIAL]
    rows = ["XYZ".index(a) for a in spatial] + [3]
    columns = [axes.index(a) for a in spatial] + [3]
    places = [ours.index(a) for a in spatial] + [len(ours)]
    affine[np.ix_(rows, columns)] = matrix[np.ix_(places, places)]
    return affine


def _spans_space(axes: NDArray[Any]) -> bool:
    lengths = np.linalg.norm(axes, axis=0)
    return bool(lengths.all() and np.linalg.matrix_rank(axes / lengths, tol=RANK_TOLERANCE) == 3)


def _nearest_axes(affine: NDArray[Any]) -> str:
    """Name the first three dimensions after the world's axes that they run along most.

    Napari fails to show data whose axes are swapped against those of the world.
    """
    nearest = io_orientation(affine)[:, 0]  # type: ignore[no-untyped-call]
    return "".join("XYZ"[int(axis)] for axis in nearest)


def _directions(affine: NDArray[Any], spatial: str) -> dict[str, str]:
    """The direction in which the index grows, for each of a file's spatial axes."""
    directions = aff2axcodes(affine)  # type: ignore[no-untyped-call]
    return dict(zip(spatial, directions, strict=True))


def _extra_axes(header: NibabelHeader) -> str:
    """What the dimensions after the third are, without those of length 1."""
    shape: tuple[int, ...] = header.get_data_shape()
    time, vector, *rest = [*shape[3:], 1, 1]
    if len(shape) < 2 or any(n > 1 for n in rest):
        raise ValueError(
            f"it has the shape {shape}; images of two to five dimensions can be read, X Y Z time "
            "and vector"
        )
    if time > 1 and vector > 1:
        return "TC"
    if time > 1:
        return "T" if _is_series(header) else "C"
    return "C" * (vector > 1)


def _is_series(header: NibabelHeader) -> bool:
    """Whether the fourth dimension is time: it has a unit of time and a step, or says so."""
    intent = int(header["intent_code"])
    timed = header.get_xyzt_units()[1] in TIME_UNITS and header["pixdim"][4] > 0
    return intent not in VECTOR_INTENTS and (bool(timed) or intent == TIME_SERIES_INTENT)


def _time_step(header: NibabelHeader) -> float:
    step = float(header["pixdim"][4])
    return step if step > 0 else 1.0


def _units(header: NibabelHeader, ours: str) -> tuple[str, ...]:
    """Units for napari. Files that tell none mean mm, as all programs take them."""
    length, time = header.get_xyzt_units()
    units = {"T": TIME_UNITS.get(time, "pixel"), "C": "pixel"}
    return tuple(units.get(a, LENGTH_UNITS.get(length, "mm")) for a in ours)
