"""What zarr folders tell besides their pixels, as other files of images and labels do."""

from pathlib import Path

from napari_segkit.images.geometry import Geometry, spacing_geometry
from napari_segkit.images.layer_metadata import KEY
from napari_segkit.images.notes import without_notes
from napari_segkit.io.class_record import record_with_classes

from .reader import open_node, read_zarr


def read_record(path: Path) -> dict[str, object]:
    """How a result was made, with the classes of its labels, which other programs store too."""
    with without_notes():
        classes = read_zarr(path, labels=True).classes
    record = open_node(path).attrs.get(KEY)
    return record_with_classes(record if isinstance(record, dict) else {}, classes)


def read_geometry(path: Path) -> Geometry | None:
    """Axes and pixel size of an image, or of labels without one; None if they are not stored."""
    with without_notes():
        try:
            image = read_zarr(path, labels=False)
        except ValueError:
            image = read_zarr(path, labels=True)
    if image.axes is None or image.stored is None:
        return None
    size = image.stored.size
    return spacing_geometry(size.spacing, image.axes, image.levels[0].shape, size.unit)
