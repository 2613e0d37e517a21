"""The place of a GeoTIFF on the map: its tags, kept in the TIFF files of results."""

from pathlib import Path

from napari_segkit.images.notes import say_note

from .filenames import TIFF, ending
from .upright import ORIENTATION, TURNED

PLACE_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)  # pixel scale, tie points, keys, ...
Tag = tuple[int, int, int, object, bool]  # as tifffile takes further tags


def place_tags(path: Path) -> tuple[Tag, ...]:
    """Tags of a file that say where its pixels are on the map; () if it has none."""
    if ending(path) not in TIFF:
        return ()
    import tifffile

    with tifffile.TiffFile(path) as file:
        tags = file.pages.first.tags
        found = [tags[code] for code in PLACE_TAGS if code in tags]
        turned = tags.valueof(ORIENTATION, 1) in TURNED
        kept = tuple((t.code, int(t.dtype), t.count, t.value, True) for t in found)
    if kept and turned:
        say_note(f"{path} was turned, so its place on the map is not kept.", stacklevel=2)
    return () if turned else kept
