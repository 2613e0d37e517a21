"""TIFF files with their axes and pixel sizes: OME-TIFF, ImageJ and plain TIFF."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypedDict

import numpy as np

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.geometry import Geometry, spacing_geometry
from napari_segkit.images.levels import require_level_of
from napari_segkit.images.notes import say_note, without_notes
from napari_segkit.images.types import AnyArray, LazyArray
from napari_segkit.images.units import UNKNOWN_SPACING, PixelSize, convert

from .geotiff import Tag
from .tiff_colours import shown_pixels
from .tiff_damage import noting_damage
from .tiff_pixel_size import ome_image, read_pixel_size
from .tiff_series import full_image
from .upright import ORIENTATION, SWAPPED, upright

if TYPE_CHECKING:
    from tifffile import TiffPageSeries

OME_TYPES = ("uint8", "uint16", "uint32", "float32")
MAX_CLASSIC_BYTES = 2**32 - 2**25  # pixels that fit a classic TIFF with its metadata
MAX_RESOLUTION = 2**31  # that the numerator of a tag can hold


class Resolution(TypedDict, total=False):
    """Arguments of tifffile."""

    resolution: tuple[float, float]
    resolutionunit: str


def read_tiff(
    path: Path, *, labels: bool, level: int = 0
) -> tuple[AnyArray, str | None, PixelSize | None]:
    """Largest image of a TIFF file, or a level of its pyramid, without alpha; axes and pixel size.

    A warning tells of other images. It is upright and in greys or RGB; of `labels` with a palette
    the indices are read.
    """
    import tifffile

    with noting_damage(path), tifffile.TiffFile(path) as file:
        index = full_image(file, path)
        series, size = file.series[index], read_pixel_size(file, index, path)
        series, size = _at_level(series, size, level, path)
        data, names = shown_pixels(series, path, labels=labels)
        data, names = _joined_channels(data, names, path)
        orientation = int(series.keyframe.tags.valueof(ORIENTATION, 1))
    if orientation in SWAPPED and size:
        z, y, x = size.spacing
        size = PixelSize((z, x, y), size.unit)
    return upright(data, names, orientation, path), _axes(names), size


def _at_level(
    series: "TiffPageSeries", size: PixelSize | None, level: int, path: Path
) -> tuple["TiffPageSeries", PixelSize | None]:
    """One level of a pyramid, with the size of its pixels."""
    require_level_of(len(series.levels), level, path.name)
    chosen = series.levels[level]
    if size is not None and level:
        factors = dict(zip(series.axes, np.divide(series.shape, chosen.shape), strict=True))
        steps = zip(SPATIAL, size.spacing, strict=True)
        z, y, x = (step * float(factors.get(axis, 1)) for axis, step in steps)
        size = PixelSize((z, y, x), size.unit)
    return chosen, size


def read_geometry(path: Path) -> Geometry | None:
    """Axes and spacing of the image that `read_tiff` reads; its pixels are not read."""
    import tifffile

    with without_notes(), noting_damage(path), tifffile.TiffFile(path) as file:
        index = full_image(file, path)
        series, size = file.series[index], read_pixel_size(file, index, path)
        turned = int(series.keyframe.tags.valueof(ORIENTATION, 1)) in SWAPPED
        axes, shape = _axes(series.axes), series.shape
    if axes is None:
        return None
    (z, y, x), unit = size or PixelSize(UNKNOWN_SPACING)
    return spacing_geometry((z, x, y) if turned else (z, y, x), axes, shape, unit)


def write_tiff(
    file: BinaryIO,
    data: AnyArray,
    axes: str,
    size: PixelSize,
    provenance: Mapping[str, object],
    place: Sequence[Tag] = (),
) -> None:
    """Write a compressed OME-TIFF.

    Where OME cannot describe the data (X is not the last axis, an axis has length 1), it is a
    plain TIFF with the same metadata in JSON. The tags of resolution are for other programs.
    """
    import tifffile

    ome, metadata = tiff_metadata(data, axes, size, provenance)
    tifffile.imwrite(
        file,
        data,
        ome=ome,
        bigtiff=data.nbytes > MAX_CLASSIC_BYTES,
        metadata=metadata,
        compression="zlib",
        photometric="minisblack",
        extratags=place,
        **resolution_tags(size),
    )


def tiff_metadata(
    data: LazyArray, axes: str, size: PixelSize, provenance: Mapping[str, object]
) -> tuple[bool, dict[str, object]]:
    """Whether an array is written as OME-TIFF, and the metadata that tifffile takes for it."""
    ome = axes.endswith("YX") and 1 not in data.shape and data.dtype.name in OME_TYPES
    metadata: dict[str, object] = {"axes": axes}
    if ome:
        metadata["Description"] = json.dumps(provenance)
        return ome, metadata | _ome_sizes(size, axes)
    stored = {"spacing": size.spacing, "unit": size.unit, "provenance": provenance}
    return ome, metadata | stored


def read_provenance(path: Path) -> object:
    """Provenance that `write_tiff` stored; None if there is none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.ome_metadata:
            return (file.shaped_metadata or ({},))[0].get("provenance")
        text = ome_image(file.ome_metadata).get("Description")
        return json.loads(text) if isinstance(text, str) and text.startswith("{") else None


def _joined_channels(data: AnyArray, names: str, path: Path) -> tuple[AnyArray, str]:
    """Channels that have colours each, as OME allows, as so many more channels."""
    if not {"C", "S"} <= set(names):
        return data, names
    c, s = names.index("C"), names.index("S")
    rest = [i for i in range(data.ndim) if i not in (c, s)]
    say_note(
        f"{path} holds {data.shape[c]} channels of {data.shape[s]} colours each: they are read as "
        f"{data.shape[c] * data.shape[s]} channels.",
        stacklevel=2,
    )
    channels = data.transpose([c, s, *rest])
    return channels.reshape(-1, *channels.shape[2:]), "C" + "".join(names[i] for i in rest)


def _axes(names: str) -> str | None:
    """TIFF axes as letters of TCZYX, samples as C; None if one is unknown."""
    axes = names.replace("S", "C")
    return axes if set(axes) <= set(AXES) and len(set(axes)) == len(axes) else None


def _ome_sizes(size: PixelSize, axes: str) -> dict[str, object]:
    """Sizes with their unit; without one OME would take them for micrometres."""
    if size == PixelSize(UNKNOWN_SPACING):
        return {}
    unit = "\u00b5m" if size.unit == "um" else size.unit or "pixel"
    every = zip(SPATIAL, size.spacing, strict=True)
    spatial = [(a, s) for a, s in every if a in axes or s != 1]  # a plane may have a thickness
    sizes = {f"PhysicalSize{a}": s for a, s in spatial}
    return sizes | {f"PhysicalSize{a}Unit": unit for a, _ in spatial}


def resolution_tags(size: PixelSize) -> Resolution:
    """Pixels per centimetre along X and Y, if they are known and the tags can hold them."""
    pixels = [1 / convert(s, size.unit, "cm") for s in size.spacing[:0:-1]]
    if not size.unit or max(pixels) > MAX_RESOLUTION:
        return {}
    return {"resolution": (pixels[0], pixels[1]), "resolutionunit": "CENTIMETER"}
