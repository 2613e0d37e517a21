"""TIFF files with their axes and pixel sizes: OME, ImageJ and plain ones."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AXES, SPATIAL

Spacing = tuple[float, float, float]
UNKNOWN_SPACING = (1.0, 1.0, 1.0)
OME_TYPES = ("uint8", "uint16", "uint32", "float32")
ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
MAX_CLASSIC_BYTES = (
    2**32 - 2**25
)  # bytes of pixels that a TIFF holds with all that stands around them


def read_tiff(path: Path) -> tuple[NDArray[Any], str | None, Spacing | None]:
    """Read the first image of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    tuple
        The pixels at full resolution without an alpha channel; one letter of "TCZYX" for each
        dimension, or None where the file does not name them all; world units between pixels
        along Z, Y, X, or None.
    """
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        data, names = series.asarray(), series.axes
        if "S" in names:
            data = np.delete(data, _alpha(series.keyframe), names.index("S"))
        return data, _axes(names), _spacing(file)


def write_tiff(
    file: BinaryIO, data: NDArray[Any], axes: str, spacing: Spacing, provenance: dict[str, Any]
) -> None:
    """Write a compressed TIFF that says its axes, its pixel size and where it comes from.

    It is an OME-TIFF, or a plain TIFF with the same in JSON where OME has no words for it (X not
    the last axis, an axis of length 1).

    Parameters
    ----------
    file : binary file
        Open for writing.
    data : ndarray
        Integers or float32.
    axes : str
        One letter of "TCZYX" for each dimension.
    spacing : tuple of float
        World units between pixels along Z, Y, X.
    provenance : dict
        JSON-able; kept in the description.
    """
    ome = axes.endswith("YX") and 1 not in data.shape and data.dtype.name in OME_TYPES
    metadata: dict[str, Any] = {"axes": axes}
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


def read_provenance(path: Path) -> Any:
    """Read what `write_tiff` kept of where the pixels come from; None where there is nothing."""
    with tifffile.TiffFile(path) as file:
        if not file.ome_metadata:
            return (file.shaped_metadata or ({},))[0].get("provenance")
        image = tifffile.xml2dict(file.ome_metadata)["OME"].get("Image", {})
        told = image.get("Description") if isinstance(image, dict) else None
        return json.loads(told) if isinstance(told, str) and told.startswith("{") else None


def _alpha(page: Any) -> list[int]:
    """Places of the alpha channels among the samples; older programs leave RGBA unspecified."""
    extra = tuple(page.extrasamples)
    plain_rgba = page.photometric == tifffile.PHOTOMETRIC.RGB and page.dtype == np.uint8
    if plain_rgba and page.samplesperpixel == 4 and extra == (tifffile.EXTRASAMPLE.UNSPECIFIED,):
        return [3]
    first = page.samplesperpixel - len(extra)
    return [first + place for place, meaning in enumerate(extra) if meaning in ALPHA]


def _axes(names: str) -> str | None:
    """TIFF's names of the axes as ours: samples are channels; None where one is unknown."""
    ours = names.replace("S", "C")
    return ours if set(ours) <= set(AXES) and len(set(ours)) == len(ours) else None


def _spacing(file: tifffile.TiffFile) -> Spacing | None:
    if file.ome_metadata:
        return _ome_spacing(file.ome_metadata)
    if file.imagej_metadata:
        return _imagej_spacing(file)
    stored = (file.shaped_metadata or ({},))[0].get("spacing")
    return tuple(map(float, stored)) if stored and len(stored) == 3 else None  # type: ignore[return-value]


def _ome_spacing(xml: str) -> Spacing | None:
    images = tifffile.xml2dict(xml)["OME"].get("Image", {})
    pixels = (images[0] if isinstance(images, list | tuple) else images).get("Pixels", {})
    z, y, x = (float(pixels.get(f"PhysicalSize{a}", 1.0)) for a in SPATIAL)
    return z, y, x


def _imagej_spacing(file: tifffile.TiffFile) -> Spacing | None:
    """ImageJ keeps pixels per unit; without a unit the numbers mean nothing."""
    metadata, page = file.imagej_metadata or {}, file.pages.first
    if metadata.get("unit", "pixel") in ("pixel", "pixels") or "XResolution" not in page.tags:
        return None
    x, y = (1 / r if r > 0 else 1.0 for r in page.get_resolution())
    return float(metadata.get("spacing", 1.0)), y, x
