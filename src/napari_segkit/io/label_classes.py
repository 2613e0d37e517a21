"""Read the classes of the values in a label file, or of probabilities."""

import json
from contextlib import suppress
from pathlib import Path

from napari_segkit.images.classes import LabelClass

from . import tiff
from .class_record import classes_in
from .filenames import TIFF, AnyPath, ending
from .files import nifti_header


def read_classes(path: AnyPath) -> tuple[LabelClass, ...]:
    """Classes of the values of a label file, or of probabilities in their order; () if unknown."""
    return classes_in(_read_record(Path(path)))


def _read_record(file: Path) -> object:
    with suppress(LookupError, OSError, TypeError, ValueError):
        if ending(file) == ".png":
            from PIL import Image

            with Image.open(file) as picture:
                return json.loads(picture.info["provenance"])
        if ending(file) in TIFF:
            return tiff.read_provenance(file)
        if header := nifti_header(file):
            from .nifti.writer import read_provenance

            return read_provenance(header.to_nibabel())
    return None
