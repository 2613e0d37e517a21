"""Which of the images of a TIFF file is read, and what is said of the others."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_segkit.images.notes import say_note

from .filenames import shorten

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

REDUCED_OR_MASK = 1 | 4  # bits of the tag NewSubfileType


def full_image(file: "TiffFile", path: Path) -> int:
    """Index of the first of the largest images that are no reduced copies or masks of another.

    Images in other files, of which the metadata tell, are left out.
    """
    series, own = file.series, _in_this_file(file)
    if not own:
        raise ValueError("it is cut off or damaged, and holds no image: copy or export it again")
    full = [i for i in own if not series[i].keyframe.subfiletype & REDUCED_OR_MASK]
    chosen = max(full or own, key=lambda i: series[i].size)
    others = [_described(series[i]) for i in own if i != chosen]
    if others:
        say_note(
            f"{path} holds {len(own)} images: number {own.index(chosen) + 1}, of shape "
            f"{_described(series[chosen])}, was read, and not those of shape {shorten(others)}. "
            "Save them in files of their own to use them.",
            stacklevel=2,
        )
    _check_parts(file, series[chosen], path)
    return chosen


def _in_this_file(file: "TiffFile") -> list[int]:
    """Indices of the images with pixels in this file, or of all images."""
    images = enumerate(file.series)
    own = [i for i, s in images if any(p is not None and p.parent is file for p in s.pages)]
    return own or list(range(len(file.series)))


def _described(series: "TiffPageSeries") -> str:
    """Shape and name."""
    has_name = series.name and not series.name.startswith("Series")
    return f"{series.shape} ({series.name})" if has_name else f"{series.shape}"


def _check_parts(file: "TiffFile", series: "TiffPageSeries", path: Path) -> None:
    """Refuse an image of which files are missing; say what else is not in this file."""
    files, metadata_file = _files_of(file)
    missing = [name for name in files if not (path.parent / name).exists()]
    absent = sum(page is None for page in series.pages)
    if absent and missing:
        raise ValueError(
            f"it is one of {len(files)} files of one image, and {shorten(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: put all of them into its folder"
        )
    notes = [
        (absent, f"lacks {absent} of the {len(series)} planes it describes: they are read as 0"),
        (series.is_multifile, f"is one of {len(files)} files of one image, which was read whole"),
        (
            metadata_file,
            f"is a part of an image that {metadata_file} describes: only its own planes are read, "
            "without axes and pixel size",
        ),
    ]
    for _, note in (note for note in notes if note[0]):
        say_note(f"{path} {note}.", stacklevel=3)


def _files_of(file: "TiffFile") -> tuple[list[str], str]:
    """Names of the files of an OME image, and of that with its metadata if it is another."""
    from xml.etree import ElementTree

    try:
        elements = list(ElementTree.fromstring(file.ome_metadata or "<OME/>").iter())
    except ElementTree.ParseError:
        return [], ""
    files = {e.get("FileName", "") for e in elements if e.tag.endswith("UUID")}
    masters = [e.get("MetadataFile", "") for e in elements if e.tag.endswith("BinaryOnly")]
    return sorted(files - {""}), (masters or [""])[0]
