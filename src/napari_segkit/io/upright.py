"""The orientation tag of EXIF and TIFF: which way up the stored rows and columns are shown."""

from pathlib import Path

from napari_segkit.images.notes import say_note
from napari_segkit.images.types import AnyArray

ORIENTATION = 274  # number of the tag, in EXIF and in TIFF
TURNED = range(2, 9)  # 1 is upright; other values mean nothing
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
    say_note(
        f"{path} has the orientation tag {tag}: it was turned to be upright, as viewers show it. "
        "A mask that was made without turning it does not fit.",
        stacklevel=2,
    )
    return pixels[tuple(flips)]
