"""Names of files and their endings, of which some have two parts."""

import re
from pathlib import Path

NIFTI = (".nii", ".nii.gz")


def stem(path: Path) -> str:
    """Give a file's name without its ending; ".nii.gz" and ".ome.tif" are endings too."""
    return re.sub(r"(\.ome)?\.[^.]+(\.gz)?$", "", path.name, flags=re.IGNORECASE) or path.name


def ending(path: Path) -> str:
    """Give the ending that says what kind of file it is, such as ".tif" or ".nii.gz"."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()
