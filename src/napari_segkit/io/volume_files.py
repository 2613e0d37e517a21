"""Which files and folders are volumes of medical formats."""

from itertools import islice
from pathlib import Path

from .filenames import ITK, MGH, NIFTI, NUMPY, TABLES, TIFF, VOLUMES, ending
from .pictures import PICTURES
from .zarr_folders import is_zarr

MAGIC_OFFSET, MAGIC = 128, b"DICM"
LEFT_BY_SYSTEMS = ("dicomdir", "thumbs.db", "desktop.ini")
DATA_OF_HEADERS = (".img", ".img.gz", ".raw", ".raw.gz", ".zraw")
OTHERS = (*TIFF, *PICTURES, *NUMPY, *NIFTI, *MGH, *ITK)  # endings that no DICOM file has
MAX_STRAY = 5  # files that may come before those of a series
HEADERS = (".hdr", ".hdr.gz", ".mhd", ".nhdr")


def is_volume(path: Path) -> bool:
    """Whether a file, or a folder with DICOM files, is read with a header of NIfTI."""
    suffix = ending(path)
    if path.is_dir():
        return is_dicom(path)
    return suffix in VOLUMES or is_dicom(path)


def is_dicom(path: Path) -> bool:
    """Whether a file of any name is a DICOM file, or one of the first in a folder."""
    if path.is_dir():
        if is_zarr(path):
            return False
        files = (p for p in visible_files(path) if p.is_file())
        return any(is_dicom(p) for p in islice(files, MAX_STRAY))
    if ending(path) in OTHERS or path.name.lower() in LEFT_BY_SYSTEMS or not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(MAGIC_OFFSET)
        return file.read(len(MAGIC)) == MAGIC


def visible_files(folder: Path) -> list[Path]:
    """Files and folders in a folder, sorted by name, but tables and what systems leave there."""
    visible = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
    kept = [p for p in visible if p.suffix.lower() not in TABLES]
    return [p for p in kept if p.name.lower() not in LEFT_BY_SYSTEMS]


def without_data_of_headers(files: list[Path]) -> list[Path]:
    """Files but those that hold only the voxels of another one, such as x.raw of x.mhd."""
    names = {p.name.lower() for p in files}
    return [p for p in files if not _is_data_of_header(p.name.lower(), names)]


def _is_data_of_header(name: str, names: set[str]) -> bool:
    stems = [name.removesuffix(e) for e in DATA_OF_HEADERS if name.endswith(e)]
    return any(stem + header in names for stem in stems for header in HEADERS)
