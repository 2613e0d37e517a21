"""Read what label files, or files of probabilities, store with their values: record, classes."""

from contextlib import suppress
from pathlib import Path

from napari_segkit.images.classes import LabelClass

from . import pictures, tiff
from .class_record import classes_in
from .filenames import TIFF, AnyPath, ending
from .files import nifti_header
from .zarr_folders import is_zarr


def read_classes(path: AnyPath) -> tuple[LabelClass, ...]:
    """Classes of the values of a label file, or of probabilities in their order; () if unknown."""
    return classes_in(read_record(Path(path)))


def read_record(file: Path) -> object:
    """How a file was made, as it was stored with its values; None if it tells nothing."""
    with suppress(LookupError, OSError, TypeError, ValueError):
        if is_zarr(file):
            from .zarr.files import read_record as read_zarr_record

            return read_zarr_record(file)
        if ending(file) == ".png":
            return pictures.read_record(file)
        if ending(file) in TIFF:
            return tiff.read_provenance(file)
        if header := nifti_header(file):
            from .nifti.writer import read_provenance

            return read_provenance(header.to_nibabel())
    return None
