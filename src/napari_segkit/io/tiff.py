"""TIFF files with their axes and pixel sizes: OME-TIFF, ImageJ and plain TIFF."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from napari_segkit.images.axes_image import AXES, SPATIAL
from napari_segkit.images.types import AnyArray

from .upright import ORIENTATION, SWAPPED, upright

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

Spacing = tuple[float, float, float]  # world units between pixels along Z, Y, X
UNKNOWN_SPACING = (1.0, 1.0, 1.0)
OME_TYPES = ("uint8", "uint16", "uint32", "float32")
MAX_CLASSIC_BYTES = 2**32 - 2**25  # pixels that fit a classic TIFF with its metadata


def read_tiff(path: Path) -> tuple[AnyArray, str | None, Spacing | None]:
    """First image of a TIFF file at full resolution, without alpha; its axes and its spacing."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series, spacing = file.series[0], _spacing(file)
        data, names, page = series.asarray(), series.axes, series.keyframe
        if "S" in names:
            data = np.delete(data, _alpha_samples(page), names.index("S"))
    orientation = int(page.tags.valueof(ORIENTATION, 1))
    if orientation in SWAPPED and spacing:
        spacing = (spacing[0], spacing[2], spacing[1])
    return upright(data, names, orientation, path), _axes(names), spacing


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


def _alpha_samples(page: "TiffPage") -> list[int]:
    """Indices of the alpha samples; older programs write RGBA with an unspecified sample."""
    from tifffile import EXTRASAMPLE, PHOTOMETRIC

    extra = tuple(page.extrasamples)
    plain_rgba = page.photometric == PHOTOMETRIC.RGB and page.dtype == np.uint8
    if plain_rgba and page.samplesperpixel == 4 and extra == (EXTRASAMPLE.UNSPECIFIED,):
        return [3]
    first = page.samplesperpixel - len(extra)
    alpha = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
    return [first + i for i, sample in enumerate(extra) if sample in alpha]


def _axes(names: str) -> str | None:
    """TIFF axes as letters of TCZYX, samples as C; None if one is unknown."""
    axes = names.replace("S", "C")
    return axes if set(axes) <= set(AXES) and len(set(axes)) == len(axes) else None


def _spacing(file: "TiffFile") -> Spacing | None:
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    if file.imagej_metadata:
        return _imagej_spacing(file)
    stored = (file.shaped_metadata or ({},))[0].get("spacing")
    if not stored or len(stored) != 3:
        return None
    z, y, x = map(float, stored)
    return z, y, x


def _ome_image(xml: str) -> dict[str, Any]:
    """Description of the first image in the metadata of OME."""
    from tifffile import xml2dict

    images = xml2dict(xml)["OME"].get("Image", {})
    return images[0] if isinstance(images, list | tuple) else images


def _ome_spacing(xml: str) -> Spacing:
    pixels = _ome_image(xml).get("Pixels", {})
    z, y, x = (float(pixels.get(f"PhysicalSize{a}", 1.0)) for a in SPATIAL)
    return z, y, x


def _imagej_spacing(file: "TiffFile") -> Spacing | None:
    """ImageJ stores pixels per unit; without a unit the numbers mean nothing."""
    metadata, page = file.imagej_metadata or {}, file.pages.first
    if metadata.get("unit", "pixel") in ("pixel", "pixels") or "XResolution" not in page.tags:
        return None
    x, y = (1 / r if r > 0 else 1.0 for r in page.get_resolution())
    return float(metadata.get("spacing", 1.0)), y, x
