"""The option ``--region``: ranges of pixels, or the file of a mask."""

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_segkit.images.axes_image import AxesImage
    from napari_segkit.images.regions import Region

HELP = (
    ": a range or number for each axis of the labels, such as "
    "0:512,100:700 (with a negative start as --region=-100:,:), some axes by name, such as z=3 or "
    "t=0:5,y=0:512, or a file of a mask"
)
WANTED = (
    "give a range or number for each axis, such as 0:512,100:700, some axes by name, such as "
    "z=3,y=0:512, or the file of a mask"
)
ITEM = re.compile(r"(?:([tzyx])=)?(?:(-?\d+)|(-?\d+)?:(-?\d+)?)", re.IGNORECASE)


def add_region(parser: ArgumentParser, purpose: str) -> None:
    parser.add_argument("--region", metavar="RANGES|FILE", help=purpose + HELP)


def require_region(text: str | None) -> None:
    """Refuse what is neither ranges nor a file, before any work."""
    if text is not None and read_ranges(text) is None and not Path(text).is_file():
        raise ValueError(f"--region is {text!r}, which is no file: {WANTED}.")


def read_region(text: str | None, image: "AxesImage", file: Path) -> "Region | None":
    """The region of an image from a file; ValueError, in words of options, if it is none of it."""
    from napari_segkit.images.regions import as_region, wanted

    if text is None:
        return None
    ranges = read_ranges(text)
    try:
        return as_region(_read_mask(text, file) if ranges is None else ranges, image)
    except ValueError as error:
        message = str(error).replace(wanted(image.label_axes, image.label_shape), WANTED)
        error.args = (re.sub("^region ", "--region ", message),)
        raise


def _read_mask(text: str, file: Path) -> object:
    import numpy as np

    from napari_segkit.io.files import file_orientation, read_labels

    return np.asarray(read_labels(Path(text), orientation=file_orientation(file)))


def read_ranges(text: str) -> "dict[str, int | slice] | tuple[int | slice, ...] | None":
    """Ranges of all axes in order, or of some by name; None if the text is something else."""
    found = [ITEM.fullmatch(part.strip()) for part in text.split(",")]
    items = [(m[1], _index(m)) for m in found if m is not None]
    names = [name.upper() for name, _ in items if name]
    if len(items) < len(found) or len(names) not in (0, len(items)):
        return None
    if len(set(names)) < len(names):
        raise ValueError(f"--region is {text!r}, which names an axis twice: give each one range.")
    indices = [index for _, index in items]
    return dict(zip(names, indices, strict=True)) if names else tuple(indices)


def _index(match: re.Match[str]) -> int | slice:
    if match[2] is not None:
        return int(match[2])
    start, stop = (None if end is None else int(end) for end in (match[3], match[4]))
    return slice(start, stop)
