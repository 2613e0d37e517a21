"""DICOM files: an image in each, or one volume in the slices of a series."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.images.types import AnyArray

from .itk import RGB, itk_reader, itk_voxels, shown_type, world_affine
from .volume_files import is_dicom, visible_files
from .volumes import SCANNER_CODE, NibabelImage, Voxels, nifti_image

if TYPE_CHECKING:
    from SimpleITK import ImageFileReader

SERIES, DESCRIPTION = "0020|000e", "0008|103e"
POSITION, FRAME_TIME = "0020|0032", "0018|1063"
STORAGE_CLASS, MAX_START = b"\x02\x00\x02\x00UI", 1024
STORAGE = "1.2.840.10008.5.1.4.1.1."
SEGMENTATION = STORAGE + "66.4"
# Radiotherapy but its dose, presentations, reports, raw and derived data, waveforms, documents
KINDS = ("481.3", "481.4", "481.5", "481.8", "481.9", "11.", "88.", "66", "9.", "104.", "67")
NO_IMAGES = tuple(STORAGE + kind for kind in KINDS)
ANGLE_TOLERANCE = 1e-3  # of direction cosines
STEP_TOLERANCE = 0.02  # relative, of the distances between slices
LPS_TO_RAS = (-1, -1, 1)
MAX_NAMED = 5


@dataclass(frozen=True)
class DicomHeader:
    """What tells whether a DICOM file is a slice of a series, and where it lies."""

    path: Path
    series: str  # its UID
    name: str  # of the series
    is_slice: bool
    position: tuple[float, ...]  # of the first pixel, in the world of ITK
    size: tuple[int, ...]  # X Y Z
    spacing: tuple[float, ...]
    direction: tuple[float, ...]
    dtype: np.dtype

    @property
    def depth(self) -> float:
        """Position along the normal of the plane."""
        return float(np.dot(self.position, np.reshape(self.direction, (3, 3))[:, 2]))


def is_dicom_series(folder: Path) -> bool:
    """Whether a folder holds the slices of one series, and nothing else but tables."""
    if not folder.is_dir() or not is_dicom(folder):
        return False
    series: set[str] = set()
    slices = 0
    for path in visible_files(folder):
        if path.is_dir() or not is_dicom(path):
            return False
        header = _header_if_readable(path)
        if header is None:
            continue  # named when the series is read
        series, slices = series | {header.series}, slices + 1
        if not header.is_slice or len(series) > 1:
            return False
    return slices > 1


def say_loose_slices(folder: Path, files: Sequence[Path]) -> None:
    """Warn if files that are taken as images of their own are slices of volumes."""
    headers = [_header_if_readable(p) for p in files if p.is_file() and is_dicom(p)]
    slices = [header for header in headers if header is not None and header.is_slice]
    if len({header.series for header in slices}) < len(slices):
        warnings.warn(
            f"{folder} holds slices of DICOM series ({_series_names(slices)}): each file is taken "
            "as an image of its own. Put the files of each series alone in a folder to use it as a "
            "volume.",
            UserWarning,
            stacklevel=3,
        )


def open_dicom(path: Path) -> NibabelImage:
    """A DICOM file, or the series in a folder, as a NIfTI image whose voxels are read later."""
    return open_series(visible_files(path), path) if path.is_dir() else _open_file(path)


def open_series(files: Sequence[Path], folder: Path) -> NibabelImage:
    """Slices of one series as a NIfTI image, in the order of their positions."""
    slices = sorted(_slices(files, folder), key=lambda header: header.depth)
    _require_one_volume(slices)
    _say_gaps(slices, folder)
    first, last = slices[0], slices[-1]
    affine = world_affine(first.spacing, first.position, first.direction)
    step = np.subtract(last.position, first.position) / (len(slices) - 1)
    affine[:3, 2] = LPS_TO_RAS * step
    return nifti_image(_series_voxels(slices), affine)


def read_header(path: Path) -> DicomHeader | None:
    """Header of an image; None if the file holds a report, contours or the like."""
    return _read_header(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8192)
def _read_header(path: Path, _changed: int) -> DicomHeader | None:
    if any(map(_storage_class(path).startswith, NO_IMAGES)):
        return None
    try:
        reader = itk_reader(path, "GDCMImageIO")
        dtype = _rescaled_type(reader)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    series = _text(reader, SERIES)
    return DicomHeader(
        path,
        series,
        _text(reader, DESCRIPTION) or series,
        bool(_text(reader, POSITION)) and reader.GetSize()[2] == 1,
        reader.GetOrigin(),
        reader.GetSize(),
        reader.GetSpacing(),
        reader.GetDirection(),
        dtype,
    )


def _header_if_readable(path: Path) -> DicomHeader | None:
    with suppress(ValueError):  # raised again when its pixels are read
        return read_header(path)
    return None


def _storage_class(path: Path) -> str:
    """UID of what kind of object a DICOM file holds, from its first elements."""
    with path.open("rb") as file:
        start = file.read(MAX_START)
    at = start.find(STORAGE_CLASS)
    length = int.from_bytes(start[at + 6 : at + 8], "little") if at >= 0 else 0
    return start[at + 8 : at + 8 + length].decode("ascii", errors="replace")


def _text(reader: "ImageFileReader", tag: str) -> str:
    has_tag = tag in reader.GetMetaDataKeys()
    return str(reader.GetMetaData(tag)).strip(" \0") if has_tag else ""


def _rescaled_type(reader: "ImageFileReader") -> np.dtype:
    """Type of the rescaled values; 32 bits are enough for the fractions."""
    dtype = shown_type(reader)
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def _open_file(path: Path) -> NibabelImage:
    kind = _storage_class(path)
    if kind == SEGMENTATION:
        raise ValueError(
            "it is a DICOM segmentation (SEG), which is not read: save it as NIfTI or NRRD, for "
            "example with 3D Slicer"
        )
    if any(map(kind.startswith, NO_IMAGES)):
        raise ValueError("it holds no image, but a report, contours or the like")
    reader = itk_reader(path, "GDCMImageIO")
    voxels = itk_voxels(reader, _rescaled_type(reader))
    if voxels.shape[2:] == (1,):
        voxels = voxels.reshape(voxels.shape[:2])
    elif _text(reader, FRAME_TIME):
        warnings.warn(
            f"{path} holds {voxels.shape[2]} frames over time: they are read as Z.",
            UserWarning,
            stacklevel=2,
        )
    affine = world_affine(reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    is_placed = bool(_text(reader, POSITION)) or any(reader.GetOrigin())
    return nifti_image(voxels, affine, code=SCANNER_CODE if is_placed else 0)


def _slices(files: Sequence[Path], folder: Path) -> list[DicomHeader]:
    """Headers of the slices; a warning names the files that are none."""
    headers = {path.name: read_header(path) for path in files if is_dicom(path)}
    slices = [header for header in headers.values() if header is not None and header.is_slice]
    others = [p.name for p in files if p.name not in {header.path.name for header in slices}]
    if len(slices) < 2:
        raise ValueError("its DICOM files are not the slices of one volume: give them one by one")
    if others:
        more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
        warnings.warn(
            f"{folder} holds files that are no slices and were left out: "
            f"{', '.join(others[:MAX_NAMED])}{more}.",
            UserWarning,
            stacklevel=4,
        )
    return slices


def _require_one_volume(slices: Sequence[DicomHeader]) -> None:
    """Check that slices, sorted by depth, are those of one volume."""
    first = slices[0]
    if len({header.series for header in slices}) > 1:
        raise ValueError(
            f"it holds several DICOM series ({_series_names(slices)}): put the files of each in a "
            "folder of its own"
        )
    if any(h.size != first.size or (h.dtype == RGB) != (first.dtype == RGB) for h in slices):
        raise ValueError("the slices of its DICOM series differ in size or colours")
    if any(not np.allclose(h.direction, first.direction, atol=ANGLE_TOLERANCE) for h in slices):
        raise ValueError(
            "the slices of its DICOM series have several orientations, as those of a localiser: "
            "keep those of one orientation in the folder"
        )
    depths = [header.depth for header in slices]
    if np.diff(depths).min() < 1e-3:
        places = len(np.unique(np.round(depths, 3)))
        raise ValueError(
            f"its DICOM series holds {len(slices)} slices at {places} places, such as several times "
            "or echoes: save it as NIfTI, for example with dcm2niix"
        )


def _say_gaps(slices: Sequence[DicomHeader], folder: Path) -> None:
    steps = np.diff([header.depth for header in slices])
    low, high = steps.min(), steps.max()
    if high - low > STEP_TOLERANCE * np.median(steps):
        warnings.warn(
            f"The slices in {folder} are {low:.4g} to {high:.4g} mm apart, as if some were missing: "
            f"they are placed evenly, {steps.mean():.4g} mm apart.",
            UserWarning,
            stacklevel=3,
        )


def _series_names(slices: Sequence[DicomHeader]) -> str:
    """Names of series and their numbers of files, at most five."""
    counts: dict[str, int] = {}
    names = {header.series: header.name for header in slices}
    for header in slices:
        counts[header.series] = counts.get(header.series, 0) + 1
    shown = [f"{names[uid]}: {count} files" for uid, count in counts.items()]
    return ", ".join(shown[:MAX_NAMED]) + (" and more" if len(shown) > MAX_NAMED else "")


def _series_voxels(slices: Sequence[DicomHeader]) -> Voxels:
    """Voxels X Y Z; each slice has its own rescaling, and so its own type."""
    width, height, _ = slices[0].size
    dtype = _common_type([h.dtype for h in slices])
    shape = (width, height, len(slices))

    def read() -> AnyArray:
        volume = np.empty(shape, dtype, order="F")
        for z, header in enumerate(slices):
            volume[..., z] = _slice_pixels(header)
        return volume

    return Voxels(shape, dtype, read)


def _common_type(dtypes: Sequence[np.dtype]) -> np.dtype:
    if RGB in dtypes:
        return RGB
    fractions = any(dtype.kind == "f" for dtype in dtypes)
    return np.dtype(np.float32) if fractions else np.result_type(*dtypes)


def _slice_pixels(header: DicomHeader) -> AnyArray:
    try:
        reader = itk_reader(header.path, "GDCMImageIO")
        return np.asarray(itk_voxels(reader, header.dtype))[:, :, 0]
    except ValueError as error:
        raise ValueError(f"{header.path.name}: {error}") from None
