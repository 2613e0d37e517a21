"""Which folders and files are zarr, without loading zarr itself."""

from pathlib import Path

METADATA = ("zarr.json", ".zgroup", ".zarray")
ZARR, ZIP = ".zarr", ".zarr.zip"


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr image or array, or a ZIP file of one, by its name or content."""
    name = path.name.lower()
    if name.endswith(ZIP):
        return path.is_file()
    return path.is_dir() and (
        name.endswith(ZARR) or any((path / part).is_file() for part in METADATA)
    )
