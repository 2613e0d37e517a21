"""DICOM files: an image in each, or one volume in the slices of a series."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_segkit.images.types import AnyArray

from .dicom_headers import (
    COLOUR_MODEL,
    FRAME_TIME,
    POSITION,
    STEP_TOLERANCE,
    DicomHeader,
    dicom_reader,
    dicom_text,
    header_if_readable,
    read_header,
    rescaled_type,
)
from .filenames import shorten
from .itk import LPS_TO_RAS, RGB, itk_voxels, world_affine
from .nifti_image import SCANNER_CODE, UNKNOWN_CODE, NibabelImage, Voxels, nifti_image
from .volume_files import is_dicom, visible_files

ANGLE_TOLERANCE = 1e-3  # of direction cosines


def is_dicom_series(folder: Path) -> bool:
    """Whether a folder holds the slices of one series, and nothing else but tables."""
    if not folder.is_dir() or not is_dicom(folder):
        return False
    series: set[str] = set()
    slices = 0
    for path in visible_files(folder):
        if path.is_dir() or not is_dicom(path):
            return False
        header = header_if_readable(path)
        if header is None:
            continue  # named when the series is read
        series, slices = series | {header.series}, slices + 1
        if not header.is_slice or len(series) > 1:
            return False
    return slices > 1


def say_loose_slices(folder: Path, files: Sequence[Path]) -> None:
    """Warn if files that are taken as images of their own are slices of volumes."""
    headers = [header_if_readable(p) for p in files if p.is_file() and is_dicom(p)]
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


def require_label_values(path: Path) -> None:
    """Check that the values are not inverted, as those of X-rays may be."""
    file = next(filter(is_dicom, visible_files(path))) if path.is_dir() else path
    if dicom_text(dicom_reader(file), COLOUR_MODEL) == "MONOCHROME1":
        raise ValueError(
            "its greys are stored with 0 as white, so it is unknown which values are classes: save "
            "the labels as NIfTI or TIFF"
        )


def open_series(files: Sequence[Path], folder: Path) -> NibabelImage:
    """Slices of one series as a NIfTI image, in the order of their positions."""
    slices = sorted(_slices(files), key=lambda header: header.depth)
    _require_one_volume(slices)
    first, last = slices[0], slices[-1]
    affine = world_affine(first.spacing, first.position, first.direction)
    step = np.subtract(last.position, first.position) / (len(slices) - 1)
    affine[:3, 2] = LPS_TO_RAS[:3, :3] @ step
    notes = (*_left_out(files, slices, folder), *_gaps(slices, folder))
    return nifti_image(replace(_series_voxels(slices), notes=notes), affine)


def _open_file(path: Path) -> NibabelImage:
    reader = dicom_reader(path)
    voxels = itk_voxels(reader, rescaled_type(reader))
    if voxels.shape[2:] == (1,):
        voxels = voxels.reshape(voxels.shape[:2])
    elif dicom_text(reader, FRAME_TIME):
        note = f"{path} holds {voxels.shape[2]} frames over time: they are read as Z."
        voxels = replace(voxels, notes=(note,))
    affine = world_affine(reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    is_placed = bool(dicom_text(reader, POSITION)) or any(reader.GetOrigin())
    return nifti_image(voxels, affine, code=SCANNER_CODE if is_placed else UNKNOWN_CODE)


def _slices(files: Sequence[Path]) -> list[DicomHeader]:
    headers = [read_header(path) for path in files if is_dicom(path)]
    slices = [header for header in headers if header is not None and header.is_slice]
    if len(slices) < 2:
        raise ValueError("its DICOM files are not the slices of one volume: give them one by one")
    return slices


def _left_out(files: Sequence[Path], slices: Sequence[DicomHeader], folder: Path) -> list[str]:
    """A note that names the files that are no slices; none if there are none."""
    used = {header.path for header in slices}
    others = [path.name for path in files if path not in used]
    if not others:
        return []
    return [f"{folder} holds files that are no slices and were left out: {shorten(others)}."]


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
            f"its DICOM series holds {len(slices)} slices at {places} places, such as several "
            "times or echoes: save it as NIfTI, for example with dcm2niix"
        )


def _gaps(slices: Sequence[DicomHeader], folder: Path) -> list[str]:
    """A note about distances that differ; none if they are even."""
    steps = np.diff([header.depth for header in slices])
    low, high = steps.min(), steps.max()
    if high - low <= STEP_TOLERANCE * np.median(steps):
        return []
    return [
        f"The slices in {folder} are {low:.4g} to {high:.4g} mm apart, as if some were missing: "
        f"they are placed evenly, {steps.mean():.4g} mm apart."
    ]


def _series_names(slices: Sequence[DicomHeader]) -> str:
    """Names of series and their numbers of files, at most five."""
    counts: dict[str, int] = {}
    names = {header.series: header.name for header in slices}
    for header in slices:
        counts[header.series] = counts.get(header.series, 0) + 1
    return shorten([f"{names[uid]}: {count} files" for uid, count in counts.items()])


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
        reader = dicom_reader(header.path)
        return np.asarray(itk_voxels(reader, header.dtype))[:, :, 0]
    except ValueError as error:
        raise ValueError(f"{header.path.name}: {error}") from None
