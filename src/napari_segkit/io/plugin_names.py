"""Plugins of napari on PyPI that read formats which this package does not."""

import json
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

BIO_FORMATS = "napari-bioformats"
PLUGINS = {
    ".czi": f"napari-czitools or {BIO_FORMATS}",
    ".h5": "napari-h5",
    ".n5": "napari-n5",
    ".zarr": "napari-ome-zarr",
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
    suffix = path.suffix.lower()
    return suffix not in (*HDF5, TABLE) and (suffix != ".zarr" or find_spec("zarr") is not None)


def is_ome_zarr(folder: Path) -> bool:
    """Whether a Zarr folder describes its axes and pixel sizes as OME does."""
    for name in (".zattrs", "zarr.json"):
        with suppress(OSError, ValueError):
            stored = json.loads((folder / name).read_text())
            attributes = stored.get("attributes", {}) if name == "zarr.json" else stored
            return "multiscales" in attributes or "multiscales" in attributes.get("ome", {})
    return False
