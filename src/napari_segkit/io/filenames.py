"""Stems and endings of file names; some endings have two parts."""

import re
from pathlib import Path

NIFTI = (".nii", ".nii.gz")


def stem(path: Path) -> str:
    """File name without its ending, which may be ".nii.gz" or ".ome.tif"."""
    return re.sub(r"(\.ome)?\.[^.]+(\.gz)?$", "", path.name, flags=re.IGNORECASE) or path.name


def ending(path: Path) -> str:
    """Ending that gives the file format, in lower case, such as ".tif" or ".nii.gz"."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()
