"""Writing of NIfTI files, with the placement and header of the file that the data come from."""

import gzip
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import BinaryIO

import numpy as np
from nibabel import Nifti1Image, Nifti2Header, Nifti2Image
from nibabel.nifti1 import Nifti1Extension

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.labels import as_unsigned
from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import pixel_size
from napari_segkit.images.whole_numbers import smallest_integers
from napari_segkit.io.class_record import classes_in
from napari_segkit.io.nifti_image import ALIGNED_CODE, LABEL_INTENT, new_header

from .header import (
    NibabelExtension,
    NibabelHeader,
    NibabelImage,
    NiftiHeader,
    file_affine,
    layer_to_file_matrix,
)

NO_INTENT = 0
COMMENT_EXTENSION = 6  # code of an extension that holds text
PROVENANCE_START = b'{"napari-segkit"'
LENGTH_UNITS = {"m": "meter", "mm": "mm", "um": "micron", "": "unknown"}
TIME_UNITS = {"second": "sec", "millisecond": "msec", "microsecond": "usec"}
TIME_UNITS |= {"s": "sec", "ms": "msec", "us": "usec", "µs": "usec"}


def write_nifti(
    file: BinaryIO,
    data: AnyArray,
    axes: str,
    *,
    kind: str,
    source: NiftiHeader | None = None,
    matrix: AnyArray | None = None,
    units: Sequence[str] = (),
    display_range: Sequence[float] | None = None,
    provenance: Mapping[str, object] | None = None,
    zipped: bool = False,
) -> None:
    """Write an array as a NIfTI file; `kind` is "image", "labels" or "probabilities".

    The header of the `source` file is kept if it fits the axes, and its affine if `matrix` (from
    indices to the world, homogeneous, without colours) says the same. Without a source, `units` are
    those of the axes; lengths in others than NIfTI has are converted. C becomes the fourth
    dimension, after T the fifth; RGB(A) uint8 images become colours.
    """
    source = matching_header(source, axes)
    header = source.to_nibabel() if source else new_header(data.shape)
    values = _storable(data, kind)
    low, high = _range(values, kind) if display_range is None else display_range
    is_rgb = values.dtype == np.uint8 and values.shape[-1] in (3, 4)
    if kind == "image" and axes.endswith("XC") and is_rgb:
        values, axes = _as_rgb(values), axes[:-1]
    order = _file_order(axes, source)
    if matrix is not None:
        if not source:
            matrix = _set_units(header, matrix, axes, units)
        base = file_affine(source) if source else None
        _set_affine(header, layer_to_file_matrix(matrix, axes, order, base), source)
        _set_time(header, matrix, axes)
    _mark_fourth_axis(header, order, source)
    voxels = values.transpose([axes.index(a) for a in order])
    if source and order[3:] == "C" and int(header["dim"][0]) == 5:
        voxels = voxels[..., None, :]
    header.set_data_dtype(values.dtype)
    header["cal_min"], header["cal_max"] = low, high
    _set_intent(header, kind)
    if provenance is not None:
        _set_provenance(header, provenance)
    image: type[NibabelImage] = Nifti2Image if isinstance(header, Nifti2Header) else Nifti1Image
    with gzip.GzipFile("", "wb", 3, file, mtime=0) if zipped else nullcontext(file) as stream:
        image(voxels, None, header).to_stream(stream)


def matching_header(source: NiftiHeader | None, axes: str) -> NiftiHeader | None:
    """The header, or None if it is of a volume and the axes of a plane, or the reverse."""
    return source if source and ("Z" in source.axes) == ("Z" in axes) else None


def read_provenance(header: NibabelHeader) -> object:
    """Provenance that `write_nifti` stored; None if there is none."""
    texts = [e.get_content() for e in header.extensions if _is_provenance(e)]
    with suppress(ValueError, KeyError):
        return json.loads(texts[-1])["napari-segkit"] if texts else None
    return None


def read_classes(header: NibabelHeader) -> tuple[LabelClass, ...]:
    """Classes of the labels in a file that `write_nifti` wrote."""
    return classes_in(read_provenance(header))


def _storable(values: AnyArray, kind: str) -> AnyArray:
    """Values in a dtype of NIfTI that other programs read, in native byte order."""
    if kind == "labels" and values.size and values.min() >= 0:
        return as_unsigned(values)
    if values.dtype.kind in "iu" and (kind == "labels" or values.itemsize == 8):
        return smallest_integers(values)
    types = {"b": np.uint8, "e": np.float32, "g": np.float64}
    dtype = types.get(values.dtype.char if values.dtype.kind == "f" else values.dtype.kind)
    return values.astype(dtype or values.dtype.newbyteorder("="), copy=False)


def _range(values: AnyArray, kind: str) -> tuple[float, float]:
    """Lowest and highest value to display."""
    if kind == "probabilities":
        return 0.0, 1.0
    if np.iscomplexobj(values):
        return 0.0, 0.0
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if kind == "labels":
        return float(finite.min(initial=0)), float(finite.max()) if finite.size else 0.0
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _as_rgb(values: AnyArray) -> AnyArray:
    """Colours of a last axis as the structured dtype of NIfTI."""
    names = "RGBA"[: values.shape[-1]]
    colours = np.ascontiguousarray(values).view([(name, np.uint8) for name in names])
    return colours[..., 0]


def _file_order(axes: str, source: NiftiHeader | None) -> str:
    """Order of the axes in the file: as in the source file, or X Y Z; then T, then C."""
    spatial = [a for a in (source.axes if source else "XYZ") if a in SPATIAL and a in axes]
    return "".join(spatial) + "".join(a for a in "TC" if a in axes)


def _set_affine(header: NibabelHeader, affine: AnyArray, source: NiftiHeader | None) -> None:
    """Set the affine, unless it is that of the source file."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if source and np.allclose(file_affine(source), affine, rtol=1e-5, atol=1e-3 * sizes.min()):
        return
    sform, qform = (int(header[name]) for name in ("sform_code", "qform_code"))
    header.set_sform(affine, sform or qform or ALIGNED_CODE)
    header["pixdim"][1:4] = sizes
    if qform:
        header.set_qform(affine, qform)


def _set_time(header: NibabelHeader, matrix: AnyArray, axes: str) -> None:
    """Set the time step and the first time point."""
    if "T" in axes:
        t = axes.index("T")
        header["pixdim"][4], header["toffset"] = matrix[t, t], matrix[t, -1]


def _set_units(
    header: NibabelHeader, matrix: AnyArray, axes: str, units: Sequence[str]
) -> AnyArray:
    """Set the units; gives the matrix with its lengths in that of the header."""
    known = dict(zip(axes, units, strict=False))
    lengths = [known.get(a, "") for a in SPATIAL]
    factors, unit = pixel_size((1.0, 1.0, 1.0), lengths, LENGTH_UNITS)
    header.set_xyzt_units(LENGTH_UNITS[unit], TIME_UNITS.get(known.get("T", ""), "unknown"))
    scale = dict(zip(SPATIAL, factors, strict=True))
    rows = [scale.get(a, 1.0) for a in axes[: len(matrix) - 1]]
    return matrix * np.array([*rows, 1.0])[:, None]


def _mark_fourth_axis(header: NibabelHeader, order: str, source: NiftiHeader | None) -> None:
    """Give T a unit of time and C none, so that the fourth dimension is read as it was."""
    length, time = header.get_xyzt_units()
    fourth = [*[a for a in order if a not in SPATIAL], ""][0]
    if source and fourth and fourth == source.axes[3:4]:
        return
    if fourth == "T" and time not in TIME_UNITS.values():
        header.set_xyzt_units(length, "sec")
    elif fourth == "C":
        header.set_xyzt_units(length, "unknown")
        header["pixdim"][4] = 1.0


def _set_intent(header: NibabelHeader, kind: str) -> None:
    """Mark labels as such; other intents of an image are kept."""
    if kind == "labels":
        header["intent_code"] = LABEL_INTENT
    elif kind == "probabilities" or int(header["intent_code"]) == LABEL_INTENT:
        header["intent_code"] = NO_INTENT


def _set_provenance(header: NibabelHeader, provenance: Mapping[str, object]) -> None:
    """Replace our earlier provenance; comments of other programs are kept."""
    text = json.dumps({"napari-segkit": provenance}).encode()
    ours = [Nifti1Extension(COMMENT_EXTENSION, text)] if provenance else []
    header.extensions[:] = [*(e for e in header.extensions if not _is_provenance(e)), *ours]


def _is_provenance(extension: NibabelExtension) -> bool:
    is_text = extension.get_code() == COMMENT_EXTENSION
    return is_text and extension.get_content().startswith(PROVENANCE_START)
