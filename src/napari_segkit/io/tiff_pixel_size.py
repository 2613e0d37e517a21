"""Pixel sizes in TIFF files: OME, ImageJ, instruments, our own metadata, resolution tags."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.notes import say_note
from napari_segkit.images.units import PixelSize, pixel_size

from .tiff_instruments import AxisSizes, instrument_sizes

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

OME_UNIT = "um"  # where a size has none
INCH, CENTIMETRE = 2, 3  # values of the tag ResolutionUnit
UM_PER_UNIT = {INCH: 25400.0, CENTIMETRE: 10000.0}
IMAGEJ_UNITS = {"inch": INCH, "cm": CENTIMETRE}  # which it takes from the dots per inch
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296  # numbers of tags
# Paint programs, cameras and printers write these dots per inch whatever is in the picture
USUAL_DPI = (
    *(72, 75, 90, 96, 100, 120, 144, 150, 180, 192, 200, 230, 240, 300),
    *(314, 350, 360, 400, 480, 600, 720, 1200, 1440, 2400),
)
DPI_TOLERANCE = 0.015  # 72 dpi are also stored as 28 dots per cm
MAX_UM = 1000.0  # coarser ones are numbers that a program put there for lack of another


def read_pixel_size(file: "TiffFile", index: int, path: Path) -> PixelSize | None:
    """Pixel size of one of the images of a file; None where it is unknown."""
    series = file.series[index]
    size = _of_axes(sizes := _stored_sizes(file, index))
    missing = [axis for axis in SPATIAL if axis in series.axes and axis not in sizes]
    if size and missing:
        unit = f"1 {size.unit}".rstrip()
        say_note(
            f"{path} has a pixel size along {' and '.join(sizes)}, but none along "
            f"{' and '.join(missing)}: {unit} is taken, unless you give the spacing.",
            stacklevel=2,
        )
    return size


def _stored_sizes(file: "TiffFile", index: int) -> AxisSizes:
    series = file.series[index]
    metadata = file.shaped_metadata or ()
    stored = metadata[index] if index < len(metadata) else {}
    described = ome_image(file.ome_metadata, index, series) if file.ome_metadata else {}
    sizes = _ome_sizes(described) or _imagej_sizes(file) or _own_sizes(stored)
    return sizes or instrument_sizes(file) or _resolution_sizes(series.keyframe)


def ome_image(xml: str, index: int = 0, series: "TiffPageSeries | None" = None) -> dict[str, Any]:
    """Description of an image in the metadata of OME; that of `series` if it is given.

    Images of which no pixels are in the file are described, too.
    """
    from xml.etree.ElementTree import ParseError

    from tifffile import xml2dict

    try:
        found = xml2dict(xml)["OME"].get("Image", {})
    except (ParseError, KeyError):
        return {}
    images = list(found) if isinstance(found, list | tuple) else [found]

    def likeness(place: int) -> tuple[bool, bool, bool]:
        fits = series is None or _has_shape(images[place], series)
        named = series is None or str(images[place].get("Name") or "") == str(series.name or "")
        return fits, named, place == index

    return images[max(range(len(images)), key=likeness)]


def _has_shape(image: dict[str, Any], series: "TiffPageSeries") -> bool:
    """Whether a description of OME has the spatial shape of a series."""
    shape = dict(zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True))
    pixels = image.get("Pixels", {})
    return all(pixels.get(f"Size{a}", shape.get(a, 1)) == shape.get(a, 1) for a in SPATIAL)


def _of_axes(sizes: AxisSizes) -> PixelSize | None:
    if not sizes:
        return None
    values = [sizes.get(a, (1.0, "")) for a in SPATIAL]
    return pixel_size([size for size, _ in values], [unit for _, unit in values])


def _ome_sizes(image: dict[str, Any]) -> AxisSizes:
    pixels = image.get("Pixels", {})
    return {
        axis: (float(size), str(pixels.get(f"PhysicalSize{axis}Unit", OME_UNIT)))
        for axis in SPATIAL
        if isinstance(size := pixels.get(f"PhysicalSize{axis}"), int | float) and size > 0
    }


def _imagej_sizes(file: "TiffFile") -> AxisSizes:
    """ImageJ stores pixels per unit; without a unit the numbers mean nothing."""
    metadata, page = file.imagej_metadata or {}, file.pages.first
    unit = str(metadata.get("unit", "pixel"))
    if unit in ("", "pixel", "pixels") or X_RESOLUTION not in page.tags:
        return {}
    x, y = (_tidy(1 / r) if r > 0 else 1.0 for r in page.get_resolution())
    if unit in IMAGEJ_UNITS and _is_usual(x * UM_PER_UNIT[IMAGEJ_UNITS[unit]]):
        return {}
    z = abs(float(metadata.get("spacing", 1.0))) or 1.0
    return {axis: (size, str(metadata.get(f"{axis.lower()}unit", unit)))
            for axis, size in zip(SPATIAL, (z, y, x), strict=True)}  # fmt: skip


def _own_sizes(metadata: Mapping[str, Any]) -> AxisSizes:
    """Sizes in the JSON of `write_tiff`."""
    stored = metadata.get("spacing") or ()
    unit = str(metadata.get("unit", ""))
    if len(stored) != len(SPATIAL):
        return {}
    return {axis: (float(size), unit) for axis, size in zip(SPATIAL, stored, strict=True)}


def _resolution_sizes(page: "TiffPage") -> AxisSizes:
    """Sizes along Y and X of the resolution tags, unless programs write these by default."""
    scale = UM_PER_UNIT.get(int(page.tags.valueof(RESOLUTION_UNIT, INCH)))
    if scale is None or not {X_RESOLUTION, Y_RESOLUTION} <= {tag.code for tag in page.tags}:
        return {}
    x, y = page.get_resolution()
    if not all(r > 0 and _is_measured(scale / r) for r in (x, y)):
        return {}
    return {"Y": (_tidy(scale / y), "um"), "X": (_tidy(scale / x), "um")}


def _is_measured(size: float) -> bool:
    """Whether a size in um is that of a pixel, and no usual setting."""
    return size <= MAX_UM and not _is_usual(size)


def _is_usual(size: float) -> bool:
    """Whether a size in um is that of a usual setting of dots per inch."""
    dpi = UM_PER_UNIT[INCH] / size
    return any(abs(dpi / known - 1) < DPI_TOLERANCE for known in USUAL_DPI)


def _tidy(size: float) -> float:
    """Six digits, as tags are ratios of integers."""
    return float(f"{size:.6g}")
