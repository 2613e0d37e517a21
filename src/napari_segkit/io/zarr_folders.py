"""Which folders and files are zarr, without loading zarr itself."""

from pathlib import Path

METADATA = ("zarr.json", ".zgroup", ".zarray")
ZARR, ZIP = ".zarr", ".zarr.zip"
LABELS = "labels"  # the group of an image with its labels
PROBABILITIES, UNCERTAINTY = "probabilities", "uncertainty"  # images in a result, beside these


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr image or array, or a ZIP file of one, by its name or content."""
    name = path.name.lower()
    if name.endswith(ZIP):
        return path.is_file()
    return path.is_dir() and (
        name.endswith(ZARR) or any((path / part).is_file() for part in METADATA)
    )


def image_around(path: Path) -> Path:
    """The zarr image that ``image.zarr/labels/NAME`` lies in; any other path itself."""
    image = path.parent.parent
    return image if path.parent.name == LABELS and is_zarr(image) else path


def labels_inside(image: Path) -> list[Path]:
    """The labels that lie in the folder of a zarr image."""
    folder = image / LABELS
    if not (is_zarr(image) and is_zarr(folder)):
        return []
    inside = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    return [path for path in inside if is_zarr(path)]
