"""What a layer lacks of its file, because napari opened it with a reader of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from napari_segkit.images.axes_image import AxesImage

from .filenames import VOLUMES, ending
from .upright import ORIENTATION, TURNED

NAPARI = "napari"  # the name of its own readers
TAGGED = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


def with_file_notes(image: AxesImage, layer: object) -> AxesImage:
    """The image of a layer, with notes on what was not read of its file."""
    source = getattr(layer, "source", None)
    path = getattr(source, "path", None)
    if not path or not Path(path).is_file():
        return image
    file, notes = Path(path), list(image.notes)
    notes += _orientation_note(image, file)
    if getattr(source, "reader_plugin", None) == NAPARI:
        notes += _place_note(image, file)
    return replace(image, notes=tuple(notes))


def _orientation_note(image: AxesImage, file: Path) -> Iterator[str]:
    if file.suffix.lower() not in TAGGED:
        return
    tag, stored = _stored_orientation(file)
    if tag in TURNED and image.spatial_shape(2) == stored:
        yield (
            f"its file has the orientation tag {tag}, and napari shows it as stored, not turned to "
            "be upright: a mask of the upright picture does not fit, and segkit turns the file."
        )


def _place_note(image: AxesImage, file: Path) -> Iterator[str]:
    if ending(file) in VOLUMES and "nifti" not in image.metadata:
        yield (
            "napari opened its file without voxel size, orientation and place: open it again with "
            f'the reader of SegKit, such as viewer.open("{file.name}", plugin="napari-segkit").'
        )


def _stored_orientation(path: Path) -> tuple[object, tuple[int, int]]:
    """The tag of a file, and its numbers of stored rows and columns; None if it is no picture."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.getexif().get(ORIENTATION), (picture.height, picture.width)
    except (OSError, ValueError):
        return None, (0, 0)
