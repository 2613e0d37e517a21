"""Where the pixels of files lie, from their headers."""

from pathlib import Path

from napari_segkit.images.geometry import Geometry, difference

from .filenames import TIFF, AnyPath, ending
from .files import nifti_header
from .read_errors import explain_read_errors
from .tiff import read_geometry
from .zarr_folders import is_zarr


def file_geometry(path: AnyPath) -> Geometry | None:
    """Where the pixels of a volume, TIFF or OME-Zarr lie, by its header; None if unknown."""
    file = Path(path)
    if is_zarr(file):
        from .zarr import files as zarr_files

        with explain_read_errors(file):
            return zarr_files.read_geometry(file)
    if ending(file) in TIFF and file.exists():
        with explain_read_errors(file):
            return read_geometry(file)
    header = nifti_header(file)
    return header.geometry if header else None


def files_apart(first: Path, second: Path) -> str | None:
    """How the pixels of two files differ in place, as in `difference`; None if they do not."""
    names = (first.name, second.name)
    if first.name == second.name:
        names = (first.as_posix(), second.as_posix())
    return difference(file_geometry(first), file_geometry(second), names)
