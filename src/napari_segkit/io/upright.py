"""The orientation tag of EXIF and TIFF: which way up the stored rows and columns are shown."""

import warnings
from dataclasses import replace
from pathlib import Path

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.types import AnyArray

ORIENTATION = 274  # number of the tag, in EXIF and in TIFF
TURNED = range(2, 9)  # 1 is upright; other values mean nothing
TAGGED = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
SWAPPED = (5, 6, 7, 8)  # the stored rows are the columns that are shown


def upright(pixels: AnyArray, axes: str, tag: object, path: Path) -> AnyArray:
    """Pixels as viewers show a file with this orientation tag, which is said in a warning."""
    if tag not in TURNED:
        return pixels
    y, x = axes.index("Y"), axes.index("X")
    if tag in SWAPPED:
        pixels = pixels.swapaxes(y, x)
    flips = [slice(None)] * pixels.ndim
    flips[y] = slice(None, None, -1 if tag in (3, 4, 7, 8) else None)
    flips[x] = slice(None, None, -1 if tag in (2, 3, 6, 7) else None)
    warnings.warn(
        f"{path} has the orientation tag {tag}: it was turned to be upright, as viewers show it. "
        "A mask that was made without turning it does not fit.",
        UserWarning,
        stacklevel=2,
    )
    return pixels[tuple(flips)]


def with_orientation_note(image: AxesImage, layer: object) -> AxesImage:
    """The image of a layer, with a note if napari opened its file without turning it."""
    path = getattr(getattr(layer, "source", None), "path", None)
    if not path or Path(path).suffix.lower() not in TAGGED or not Path(path).is_file():
        return image
    tag, stored = _stored_orientation(Path(path))
    if tag not in TURNED or image.spatial_shape(2) != stored:
        return image
    note = (
        f"its file has the orientation tag {tag}, and napari shows it as stored, not turned to be "
        "upright: a mask of the upright picture does not fit, and segkit turns the file."
    )
    return replace(image, notes=(*image.notes, note))


def _stored_orientation(path: Path) -> tuple[object, tuple[int, int]]:
    """The tag of a file, and its numbers of stored rows and columns; None if it is no picture."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.getexif().get(ORIENTATION), (picture.height, picture.width)
    except (OSError, ValueError):
        return None, (0, 0)
