"""How arrays become NIfTI files: in place, with what the file they come from said."""

import gzip
import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, BinaryIO

import numpy as np
from nibabel import Nifti1Header, Nifti1Image, Nifti2Header, Nifti2Image
from nibabel.nifti1 import Nifti1Extension
from numpy.typing import NDArray

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.labels import as_unsigned

from .header import NibabelHeader, NiftiHeader, layer_to_file_matrix, world_matrix

LABEL_INTENT, NO_INTENT = 1002, 0
COMMENT_EXTENSION = 6  # code of an extension that holds text
ALIGNED_CODE = 2  # code of an affine whose world is that of something else
PROVENANCE_START = b'{"napari-segkit"'
NIFTI1_MAX_LENGTH = 2**15 - 1
LENGTH_UNITS = {"meter": "meter", "millimeter": "mm", "micrometer": "micron"}
LENGTH_UNITS |= {"m": "meter", "mm": "mm", "um": "micron", "µm": "micron"}
TIME_UNITS = {"second": "sec", "millisecond": "msec", "microsecond": "usec"}
TIME_UNITS |= {"s": "sec", "ms": "msec", "us": "usec", "µs": "usec"}


def write_nifti(
    file: BinaryIO,
    data: NDArray[Any],
    axes: str,
    *,
    kind: str,
    kept: NiftiHeader | None = None,
    matrix: NDArray[Any] | None = None,
    units: Sequence[str] = (),
    display: Sequence[float] | None = None,
    provenance: dict[str, Any] | None = None,
    zipped: bool = False,
) -> None:
    """Write an array as a NIfTI file.

    Parameters
    ----------
    file : binary file
        Open for writing.
    data : ndarray
        Any numbers. Labels become the smallest integers that hold them; an image keeps its
        type, where the format has it and other programs read it.
    axes : str
        One letter of "TCZYX" for each dimension. C becomes the fourth dimension, or the fifth
        beside T; the last axis of a uint8 "YXC" or "ZYXC" array of three or four, colours.
    kind : str
        "image", "labels" or "probabilities".
    kept : NiftiHeader, optional
        Of the file that the data come from: order of axes, affines, zooms, units, description
        and extensions stay, where it fits the axes.
    matrix : ndarray, optional
        From indices to the world, one row and column more than the data have dimensions
        (colours are none), in their order. Where it says what `kept` says, that stays.
    units : sequence of str, optional
        Of the world along each axis, where there is nothing kept: "mm" or "millimeter", "s".
    display : sequence of float, optional
        Lowest and highest value to show. None: those of the data, or 0 and 1 for probabilities.
    provenance : dict, optional
        Where the data come from; JSON-able. It is kept as an extension with a comment.
    zipped : bool
        Compress it (.nii.gz).
    """
    known = matching_header(kept, axes)
    header = known.to_nibabel() if known else _new_header(data.shape)
    values = _storable(data, kind)
    low, high = _range(values, kind) if display is None else display
    if kind == "image" and axes.endswith("XC") and _is_rgb(values):
        values, axes = _as_rgb(values), axes[:-1]
    order = _file_order(axes, known)
    if matrix is not None:
        _set_affine(
            header,
            layer_to_file_matrix(matrix, axes, order, world_matrix(known) if known else None),
            known,
        )
        _set_time(header, matrix, axes)
    if not known:
        _set_units(header, dict(zip(axes, units, strict=False)))
    _mark_fourth_axis(header, order, known)
    voxels = values.transpose([axes.index(a) for a in order])
    if known and order[3:] == "C" and int(header["dim"][0]) == 5:
        voxels = voxels[..., None, :]
    header.set_data_dtype(values.dtype)
    header["cal_min"], header["cal_max"] = low, high
    _set_intent(header, kind)
    if provenance:
        _set_provenance(header, provenance)
    image: Any = Nifti2Image if isinstance(header, Nifti2Header) else Nifti1Image
    with gzip.GzipFile("", "wb", 3, file, mtime=0) if zipped else nullcontext(file) as stream:
        image(voxels, None, header).to_stream(stream)


def matching_header(kept: NiftiHeader | None, axes: str) -> NiftiHeader | None:
    """Give a header where it is of an image like this: a volume or a plane."""
    return kept if kept and ("Z" in kept.axes) == ("Z" in axes) else None


def smallest_integers(values: NDArray[Any]) -> NDArray[Any]:
    """Give integers the smallest type that holds them."""
    low, high = int(values.min()), int(values.max())
    types = map(np.min_scalar_type, (low, high if low >= 0 else -1 - high))
    return values.astype(np.result_type(*types))


def _new_header(shape: tuple[int, ...]) -> NibabelHeader:
    large = max(shape) > NIFTI1_MAX_LENGTH
    return Nifti2Header() if large else Nifti1Header()  # type: ignore[no-untyped-call]


def _storable(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """The values in a type that NIfTI has, in the machine's order of bytes."""
    if kind == "labels" and values.size and values.min() >= 0:
        return as_unsigned(values)
    if values.dtype.kind in "iu" and (kind == "labels" or values.itemsize == 8):
        return smallest_integers(values)
    types = {"b": np.uint8, "e": np.float32, "g": np.float64}
    wanted = types.get(values.dtype.char if values.dtype.kind == "f" else values.dtype.kind)
    return values.astype(wanted or values.dtype.newbyteorder("="), copy=False)


def _range(values: NDArray[Any], kind: str) -> tuple[float, float]:
    if kind == "probabilities":
        return 0.0, 1.0
    if np.iscomplexobj(values):
        return 0.0, 0.0
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low = (
        float(finite.min(initial=0))
        if kind == "labels"
        else float(finite.min())
        if finite.size
        else 0.0
    )
    return low, float(finite.max()) if finite.size else 0.0


def _is_rgb(values: NDArray[Any]) -> bool:
    return values.dtype == np.uint8 and values.shape[-1] in (3, 4)


def _as_rgb(values: NDArray[Any]) -> NDArray[Any]:
    names = "RGBA"[: values.shape[-1]]
    colours = np.ascontiguousarray(values).view([(name, np.uint8) for name in names])
    return colours[..., 0]


def _file_order(axes: str, known: NiftiHeader | None) -> str:
    """The file's order of axes: as in the file that is known, else X Y Z, then T, then C."""
    spatial = [a for a in (known.axes if known else "XYZ") if a in SPATIAL and a in axes]
    return "".join(spatial) + "".join(a for a in "TC" if a in axes)


def _set_affine(header: NibabelHeader, affine: NDArray[Any], known: NiftiHeader | None) -> None:
    """Set the affine, unless it is the one that the header gives."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    near = {"rtol": 1e-5, "atol": 1e-3 * sizes.min()}
    if known and np.allclose(world_matrix(known), affine, **near):
        return
    codes = [int(header[name]) for name in ("sform_code", "qform_code")]
    header.set_sform(affine, codes[0] or codes[1] or ALIGNED_CODE)
    header["pixdim"][1:4] = sizes
    if codes[1]:
        header.set_qform(affine, codes[1])


def _set_time(header: NibabelHeader, matrix: NDArray[Any], axes: str) -> None:
    if "T" in axes:
        at = axes.index("T")
        header["pixdim"][4], header["toffset"] = matrix[at, at], matrix[at, -1]


def _set_units(header: NibabelHeader, units: dict[str, str]) -> None:
    """Name the unit of length where all axes have the same."""
    lengths = {LENGTH_UNITS.get(unit, "unknown") for axis, unit in units.items() if axis in SPATIAL}
    length = lengths.pop() if len(lengths) == 1 else "unknown"
    header.set_xyzt_units(length, TIME_UNITS.get(units.get("T", ""), "unknown"))


def _mark_fourth_axis(header: NibabelHeader, order: str, known: NiftiHeader | None) -> None:
    """Have the fourth dimension read as what it is: time has a unit, channels have none."""
    length, time = header.get_xyzt_units()
    fourth = [*[a for a in order if a not in SPATIAL], ""][0]
    if known and fourth and fourth == known.axes[3:4]:
        return
    if fourth == "T" and time not in TIME_UNITS.values():
        header.set_xyzt_units(length, "sec")
    elif fourth == "C":
        header.set_xyzt_units(length, "unknown")
        header["pixdim"][4] = 1.0


def _set_intent(header: NibabelHeader, kind: str) -> None:
    """Say which files hold labels; what else an image is for stays."""
    if kind == "labels":
        header["intent_code"] = LABEL_INTENT
    elif kind == "probabilities" or int(header["intent_code"]) == LABEL_INTENT:
        header["intent_code"] = NO_INTENT


def _set_provenance(header: NibabelHeader, provenance: dict[str, Any]) -> None:
    """Replace what an earlier result said of itself; the comments of others stay."""
    text = json.dumps({"napari-segkit": provenance}).encode()
    others = [e for e in header.extensions if not _is_provenance(e)]
    header.extensions[:] = [*others, Nifti1Extension(COMMENT_EXTENSION, text)]


def read_provenance(header: NibabelHeader) -> Any:
    """Give what `write_nifti` kept of where the values come from; None where there is nothing."""
    ours = [e.get_content() for e in header.extensions if _is_provenance(e)]
    return json.loads(ours[-1])["napari-segkit"] if ours else None


def _is_provenance(extension: Any) -> bool:
    return extension.get_code() == COMMENT_EXTENSION and extension.get_content().startswith(
        PROVENANCE_START
    )
