"""Paths, and stems and endings of file names; some endings have two parts."""

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

AnyPath = str | PathLike[str]
NIFTI = (".nii", ".nii.gz")
WRITTEN_TIFF = (".tif", ".tiff")
TIFF = (
    *(*WRITTEN_TIFF, ".btf", ".tf2", ".tf8", ".ptif", ".ptiff"),
    *(".lsm", ".stk", ".svs", ".ndpi", ".scn", ".qptiff", ".bif"),  # of instruments
)


def as_paths(path: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """One path or several, as napari gives them to readers, as a list."""
    return [Path(path)] if isinstance(path, str | PathLike) else [Path(p) for p in path]


def stem(path: Path) -> str:
    """File name without its ending, which may be ".nii.gz" or ".ome.tif"."""
    return re.sub(r"(\.ome)?\.[^.]+(\.gz)?$", "", path.name, flags=re.IGNORECASE) or path.name


def ending(path: Path) -> str:
    """Ending that gives the file format, in lower case, such as ".tif" or ".nii.gz"."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()
