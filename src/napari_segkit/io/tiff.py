"""TIFF files with their axes and pixel sizes: OME-TIFF, ImageJ and plain TIFF."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypedDict

from napari_segkit.images.axes_image import AXES, SPATIAL
from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import UNKNOWN_SPACING, PixelSize, convert

from .tiff_colours import shown_pixels
from .tiff_pixel_size import ome_image, read_pixel_size
from .upright import ORIENTATION, SWAPPED, upright

if TYPE_CHECKING:
    from tifffile import TiffFile

OME_TYPES = ("uint8", "uint16", "uint32", "float32")
REDUCED_OR_MASK = 1 | 4  # bits of the tag NewSubfileType
MAX_NAMED = 5  # other images of a file that a note names
MAX_CLASSIC_BYTES = 2**32 - 2**25  # pixels that fit a classic TIFF with its metadata
MAX_RESOLUTION = 2**31  # that the numerator of a tag can hold


class Resolution(TypedDict, total=False):
    """Arguments of tifffile."""

    resolution: tuple[float, float]
    resolutionunit: str


def read_tiff(path: Path, *, labels: bool) -> tuple[AnyArray, str | None, PixelSize | None]:
    """Largest image of a TIFF file, without alpha; its axes and its pixel size.

    A warning tells of other images. It is upright and in greys or RGB; of `labels` with a palette
    the indices are read.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        index = _full_image(file, path)
        series, size = file.series[index], read_pixel_size(file, index)
        data, names = shown_pixels(series, path, labels=labels)
        orientation = int(series.keyframe.tags.valueof(ORIENTATION, 1))
    if orientation in SWAPPED and size:
        z, y, x = size.spacing
        size = PixelSize((z, x, y), size.unit)
    return upright(data, names, orientation, path), _axes(names), size


def write_tiff(
    file: BinaryIO, data: AnyArray, axes: str, size: PixelSize, provenance: Mapping[str, object]
) -> None:
    """Write a compressed OME-TIFF.

    Where OME cannot describe the data (X is not the last axis, an axis has length 1), it is a
    plain TIFF with the same metadata in JSON. The tags of resolution are for other programs.
    """
    import tifffile

    ome = axes.endswith("YX") and 1 not in data.shape and data.dtype.name in OME_TYPES
    metadata: dict[str, object] = {"axes": axes}
    if ome:
        metadata["Description"] = json.dumps(provenance)
        metadata |= _ome_sizes(size)
    else:
        metadata |= {"spacing": size.spacing, "unit": size.unit, "provenance": provenance}
    tifffile.imwrite(
        file,
        data,
        ome=ome,
        bigtiff=data.nbytes > MAX_CLASSIC_BYTES,
        metadata=metadata,
        compression="zlib",
        photometric="minisblack",
        **_resolution(size),
    )


def read_provenance(path: Path) -> object:
    """Provenance that `write_tiff` stored; None if there is none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.ome_metadata:
            return (file.shaped_metadata or ({},))[0].get("provenance")
        text = ome_image(file.ome_metadata).get("Description")
        return json.loads(text) if isinstance(text, str) and text.startswith("{") else None


def _full_image(file: "TiffFile", path: Path) -> int:
    """Index of the first of the largest images that are no reduced copies or masks of another."""
    series = file.series
    full = [i for i, s in enumerate(series) if not s.keyframe.subfiletype & REDUCED_OR_MASK]
    chosen = max(full or range(len(series)), key=lambda i: series[i].size)
    others = [f"{s.shape}" for i, s in enumerate(series) if i != chosen]
    if others:
        more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
        warnings.warn(
            f"{path} holds {len(series)} images: number {chosen + 1}, of shape "
            f"{series[chosen].shape}, was read, and not those of shape "
            f"{', '.join(others[:MAX_NAMED])}{more}. Save them in files of their own to use them.",
            UserWarning,
            stacklevel=2,
        )
    return chosen


def _axes(names: str) -> str | None:
    """TIFF axes as letters of TCZYX, samples as C; None if one is unknown."""
    axes = names.replace("S", "C")
    return axes if set(axes) <= set(AXES) and len(set(axes)) == len(axes) else None


def _ome_sizes(size: PixelSize) -> dict[str, object]:
    """Sizes with their unit; without one OME would take them for micrometres."""
    if size == PixelSize(UNKNOWN_SPACING):
        return {}
    unit = "\u00b5m" if size.unit == "um" else size.unit or "pixel"
    sizes = {f"PhysicalSize{a}": s for a, s in zip(SPATIAL, size.spacing, strict=True)}
    return sizes | {f"PhysicalSize{a}Unit": unit for a in SPATIAL}


def _resolution(size: PixelSize) -> Resolution:
    """Pixels per centimetre along X and Y, if they are known and the tags can hold them."""
    pixels = [1 / convert(s, size.unit, "cm") for s in size.spacing[:0:-1]]
    if not size.unit or max(pixels) > MAX_RESOLUTION:
        return {}
    return {"resolution": (pixels[0], pixels[1]), "resolutionunit": "CENTIMETER"}
