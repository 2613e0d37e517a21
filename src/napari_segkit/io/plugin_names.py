"""Plugins of napari on PyPI that read formats which this package does not."""

from collections.abc import Iterable
from pathlib import Path

BIO_FORMATS = "napari-bioformats"
PLUGINS = {
    ".czi": f"napari-czitools or {BIO_FORMATS}",
    ".h5": "napari-h5",
    ".n5": "napari-n5",
} | dict.fromkeys((".nd2", ".lif", ".lof", ".oib", ".oir", ".vsi", ".ims", ".dv"), BIO_FORMATS)
HDF5 = (".hdf5", ".hdf", ".h5")
TABLE = ".csv"  # of points or shapes, never of pixels


def what_to_install(path: Path) -> str:
    """What to do with a file that no installed reader takes."""
    plugin = PLUGINS.get(path.suffix.lower())
    instead = "save the image as TIFF or NPY"
    if plugin:
        return f"install the napari plugin {plugin}, or {instead}"
    return f"{instead}, or install a napari plugin that reads it"


def without_image(files: Iterable[Path]) -> str:
    """What to do if none of these files can be read."""
    known = next((path for path in files if path.suffix.lower() in PLUGINS), None)
    if known:
        return f" that can be read; for {known.name}, {what_to_install(known)}"
    return ": give one with image files"


def napari_reads(path: Path) -> bool:
    """Whether napari's own reader, which says so, really reads files of this kind."""
    return path.suffix.lower() not in (*HDF5, TABLE)
