"""TIFF files with their axes and pixel sizes: OME-TIFF, ImageJ and plain TIFF."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from napari_segkit.images.axes_image import AXES, SPATIAL
from napari_segkit.images.geometry import Geometry, spacing_geometry
from napari_segkit.images.types import AnyArray

from .tiff_colours import shown_pixels
from .upright import ORIENTATION, SWAPPED, upright

if TYPE_CHECKING:
    from tifffile import TiffFile

Spacing = tuple[float, float, float]  # world units between pixels along Z, Y, X
UNKNOWN_SPACING = (1.0, 1.0, 1.0)
OME_TYPES = ("uint8", "uint16", "uint32", "float32")
REDUCED_OR_MASK = 1 | 4  # bits of the tag NewSubfileType
MAX_NAMED = 5  # other images of a file that a note names
MAX_CLASSIC_BYTES = 2**32 - 2**25  # pixels that fit a classic TIFF with its metadata


def read_tiff(path: Path, *, labels: bool) -> tuple[AnyArray, str | None, Spacing | None]:
    """Largest image of a TIFF file, without alpha; its axes and its spacing.

    A warning tells of other images. It is upright and in greys or RGB; of `labels` with a palette
    the indices are read.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        index = _full_image(file, path)
        series, spacing = file.series[index], _spacing(file, index)
        data, names = shown_pixels(series, path, labels=labels)
        orientation = int(series.keyframe.tags.valueof(ORIENTATION, 1))
    if orientation in SWAPPED and spacing:
        spacing = (spacing[0], spacing[2], spacing[1])
    return upright(data, names, orientation, path), _axes(names), spacing


def read_geometry(path: Path) -> Geometry | None:
    """Axes and spacing of the image that `read_tiff` reads; its pixels are not read."""
    import tifffile

    with warnings.catch_warnings(), tifffile.TiffFile(path) as file:
        warnings.simplefilter("ignore")  # reading the pixels gives them
        index = _full_image(file, path)
        series, spacing = file.series[index], _spacing(file, index)
        turned = int(series.keyframe.tags.valueof(ORIENTATION, 1)) in SWAPPED
        axes, shape = _axes(series.axes), series.shape
    if axes is None:
        return None
    z, y, x = spacing or UNKNOWN_SPACING
    return spacing_geometry((z, x, y) if turned else (z, y, x), axes, shape)


def write_tiff(
    file: BinaryIO, data: AnyArray, axes: str, spacing: Spacing, provenance: Mapping[str, object]
) -> None:
    """Write a compressed OME-TIFF.

    Where OME cannot describe the data (X is not the last axis, an axis has length 1), it is a
    plain TIFF with the same metadata in JSON.
    """
    import tifffile

    ome = axes.endswith("YX") and 1 not in data.shape and data.dtype.name in OME_TYPES
    metadata: dict[str, object] = {"axes": axes}
    if ome:
        metadata["Description"] = json.dumps(provenance)
        sizes = zip(SPATIAL, spacing, strict=True) if spacing != UNKNOWN_SPACING else ()
        metadata |= {f"PhysicalSize{a}": s for a, s in sizes}
    else:
        metadata |= {"spacing": spacing, "provenance": provenance}
    tifffile.imwrite(
        file,
        data,
        ome=ome,
        bigtiff=data.nbytes > MAX_CLASSIC_BYTES,
        metadata=metadata,
        compression="zlib",
        photometric="minisblack",
    )


def read_provenance(path: Path) -> object:
    """Provenance that `write_tiff` stored; None if there is none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.ome_metadata:
            return (file.shaped_metadata or ({},))[0].get("provenance")
        text = _ome_image(file.ome_metadata).get("Description")
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


def _spacing(file: "TiffFile", index: int) -> Spacing | None:
    """Spacing of one of the images."""
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata, index)
    if file.imagej_metadata:
        return _imagej_spacing(file)
    metadata = file.shaped_metadata or ()
    stored = metadata[index].get("spacing") if index < len(metadata) else None
    if not stored or len(stored) != 3:
        return None
    z, y, x = map(float, stored)
    return z, y, x


def _ome_image(xml: str, index: int = 0) -> dict[str, Any]:
    """Description of an image in the metadata of OME."""
    from tifffile import xml2dict

    found = xml2dict(xml)["OME"].get("Image", {})
    images = found if isinstance(found, list | tuple) else [found]
    return images[index] if index < len(images) else {}


def _ome_spacing(xml: str, index: int) -> Spacing:
    pixels = _ome_image(xml, index).get("Pixels", {})
    z, y, x = (float(pixels.get(f"PhysicalSize{a}", 1.0)) for a in SPATIAL)
    return z, y, x


def _imagej_spacing(file: "TiffFile") -> Spacing | None:
    """ImageJ stores pixels per unit; without a unit the numbers mean nothing."""
    metadata, page = file.imagej_metadata or {}, file.pages.first
    if metadata.get("unit", "pixel") in ("pixel", "pixels") or "XResolution" not in page.tags:
        return None
    x, y = (1 / r if r > 0 else 1.0 for r in page.get_resolution())
    return float(metadata.get("spacing", 1.0)), y, x
