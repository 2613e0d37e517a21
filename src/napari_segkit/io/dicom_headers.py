"""Headers of DICOM files, read by SimpleITK, and what it does not tell."""

import mmap
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .itk import RGB, itk_reader, shown_type

if TYPE_CHECKING:
    from SimpleITK import ImageFileReader

SERIES, DESCRIPTION = "0020|000e", "0008|103e"
POSITION, FRAME_TIME = "0020|0032", "0018|1063"
BITS, COLOUR_MODEL = "0028|0100", "0028|0004"
STORAGE_CLASS, TRANSFER_SYNTAX, MAX_START = b"\x02\0\x02\0UI", b"\x02\0\x10\0UI", 1024
BIG_ENDIAN = "1.2.840.10008.1.2.2"
STORAGE = "1.2.840.10008.5.1.4.1.1."
SEGMENTATION = STORAGE + "66.4"
# Radiotherapy but its dose, presentations, reports, raw and derived data, waveforms, documents
KINDS = ("481.3", "481.4", "481.5", "481.8", "481.9", "11.", "88.", "66", "9.", "104.", "67")
NO_IMAGES = tuple(STORAGE + kind for kind in KINDS)
POSITIONS = re.compile(rb"\x20\0\x32\0(?:DS..|...\0)([-+.eE0-9\\\\]+)", re.DOTALL)
STEP_TOLERANCE = 0.02  # relative, of the distances between slices


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


def read_header(path: Path) -> DicomHeader | None:
    """Header of an image; None if the file holds a report, contours or the like."""
    return _read_header(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8192)
def _read_header(path: Path, _changed: int) -> DicomHeader | None:
    if not _may_hold_an_image(path):
        return None
    try:
        reader = dicom_reader(path)
        dtype = rescaled_type(reader)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    series = dicom_text(reader, SERIES)
    is_plane = reader.GetSize()[2] == 1 and (dtype == RGB or reader.GetNumberOfComponents() == 1)
    return DicomHeader(
        path,
        series,
        dicom_text(reader, DESCRIPTION) or series,
        is_plane and bool(dicom_text(reader, POSITION)),
        reader.GetOrigin(),
        reader.GetSize(),
        reader.GetSpacing(),
        reader.GetDirection(),
        dtype,
    )


def header_if_readable(path: Path) -> DicomHeader | None:
    with suppress(ValueError):  # raised again when its pixels are read
        return read_header(path)
    return None


def dicom_reader(path: Path) -> "ImageFileReader":
    """Reader of an image whose header is read; ValueError if its pixels or place would be wrong."""
    if start_value(path, STORAGE_CLASS) == SEGMENTATION:
        raise ValueError(
            "it is a DICOM segmentation (SEG), which is not read: save it as NIfTI or NRRD, for "
            "example with 3D Slicer"
        )
    if not _may_hold_an_image(path):
        raise ValueError("it holds no image, but a report, contours or the like")
    reader = itk_reader(path, "GDCMImageIO")
    if start_value(path, TRANSFER_SYNTAX) == BIG_ENDIAN and dicom_text(reader, BITS) == "32":
        raise ValueError("it holds values of 32 bits in big endian, which are read wrongly")
    _require_even_frames(path, reader)
    return reader


def _may_hold_an_image(path: Path) -> bool:
    return not any(map(start_value(path, STORAGE_CLASS).startswith, NO_IMAGES))


def _require_even_frames(path: Path, reader: "ImageFileReader") -> None:
    """Check the places of frames, for which ITK gives voxels of 1 mm if they are not even."""
    frames = reader.GetSize()[2]
    if frames == 1 or reader.GetSpacing() != (1, 1, 1) or dicom_text(reader, POSITION):
        return
    positions, normal = _positions(path), np.reshape(reader.GetDirection(), (3, 3))[:, 2]
    is_known = len(positions) == frames
    if is_known and not np.allclose(np.diff(positions, axis=0), normal, atol=STEP_TOLERANCE):
        raise ValueError(
            f"its {frames} frames are no evenly spaced slices in their order: save it as NIfTI, "
            "for example with dcm2niix"
        )


def _positions(path: Path) -> list[list[float]]:
    """Positions of all frames, as they are written in the file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        texts = [match[1].decode("ascii") for match in POSITIONS.finditer(data)]
    with suppress(ValueError):
        return [[float(number) for number in text.split("\\")] for text in texts]
    return []


def start_value(path: Path, element: bytes) -> str:
    """UID in one of the first elements of a DICOM file, which all files code alike."""
    with path.open("rb") as file:
        start = file.read(MAX_START)
    at = start.find(element)
    length = int.from_bytes(start[at + 6 : at + 8], "little") if at >= 0 else 0
    return start[at + 8 : at + 8 + length].decode("ascii", errors="replace").strip("\0")


def dicom_text(reader: "ImageFileReader", tag: str) -> str:
    has_tag = tag in reader.GetMetaDataKeys()
    return str(reader.GetMetaData(tag)).strip(" \0") if has_tag else ""


def rescaled_type(reader: "ImageFileReader") -> np.dtype:
    """Type of the rescaled values; 32 bits are enough for the fractions."""
    dtype = shown_type(reader)
    return np.dtype(np.float32) if dtype == np.float64 else dtype
