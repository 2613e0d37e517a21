"""Metadata of OME-Zarr images and labels, as 0.5 (zarr 3) and 0.4 (zarr 2) want it."""

from collections.abc import Mapping, Sequence
from typing import Any

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.units import PixelSize

OME_VERSIONS = {3: "0.5", 2: "0.4"}  # by format of zarr
UNITS = {
    "pm": "picometer",
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "km": "kilometer",
}
TYPES = {"T": "time", "C": "channel"}
OPAQUE = 255


def image_attributes(
    name: str,
    axes: str,
    size: PixelSize,
    factors: Sequence[Mapping[str, int]],
    zarr_format: int,
    *,
    centred: bool,
    place: str = "",
) -> dict[str, Any]:
    """Attributes of a group with the levels "0", "1", ..., each coarser by `factors` along axes.

    With `centred`, a pixel of a coarse level lies in the middle of those it was made of. `place` is
    the group in it that has the levels, if it is another one.
    """
    inside = f"{place}/" if place else ""
    multiscale = {
        "name": name,
        "axes": [_axis(axis, size.unit) for axis in axes],
        "datasets": [
            {
                "path": f"{inside}{level}",
                "coordinateTransformations": _place(axes, size, f, centred),
            }
            for level, f in enumerate(factors)
        ],
    }
    return _versioned({"multiscales": [multiscale]}, zarr_format, "multiscales")


def label_attributes(
    classes: Sequence[LabelClass], zarr_format: int, source: str = ""
) -> dict[str, Any]:
    """What a group of labels tells of its values, and where their image is."""
    label: dict[str, Any] = {
        "colors": [{"label-value": c.value, "rgba": _rgba(c)} for c in classes],
        "properties": [{"label-value": c.value, "name": c.name} for c in classes],
    }
    known = {key: rows for key, rows in label.items() if rows}
    if source:
        known["source"] = {"image": source}
    return _versioned({"image-label": known}, zarr_format, "image-label")


def channel_attributes(classes: Sequence[LabelClass], zarr_format: int) -> dict[str, Any]:
    """Names and colours of the maps of classes, which go from 0 to 1."""
    window = {"min": 0.0, "max": 1.0, "start": 0.0, "end": 1.0}
    channels = [
        {"label": c.name, "color": c.color[1:].upper(), "window": window, "active": True}
        for c in classes
    ]
    return group_attributes(zarr_format, omero={"channels": channels})


def group_attributes(zarr_format: int, **own: object) -> dict[str, Any]:
    """What OME keeps in a group: below "ome", with the version, from 0.5 on."""
    if zarr_format == 2:
        return own
    return {"ome": {"version": OME_VERSIONS[zarr_format], **own}}


def joined(*attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes together; what lies below "ome" too."""
    ome = {key: value for part in attributes for key, value in part.get("ome", {}).items()}
    merged = {key: value for part in attributes for key, value in part.items() if key != "ome"}
    return merged | ({"ome": ome} if ome else {})


def _versioned(attributes: dict[str, Any], zarr_format: int, key: str) -> dict[str, Any]:
    version = OME_VERSIONS[zarr_format]
    if zarr_format == 3:
        return {"ome": {"version": version, **attributes}}
    value = attributes[key]
    if isinstance(value, list):
        return {key: [{"version": version, **entry} for entry in value]}
    return {key: {"version": version, **value}}


def _axis(axis: str, unit: str) -> dict[str, str]:
    known = {"name": axis.lower(), "type": TYPES.get(axis, "space")}
    return known | ({"unit": UNITS[unit]} if axis in SPATIAL and unit in UNITS else {})


def _place(
    axes: str, size: PixelSize, factors: Mapping[str, int], centred: bool
) -> list[dict[str, Any]]:
    spacing = dict(zip(SPATIAL, map(float, size.spacing), strict=True))
    steps = [spacing.get(axis, 1.0) for axis in axes]
    by = [factors.get(axis, 1) for axis in axes]
    scale = {"type": "scale", "scale": [s * f for s, f in zip(steps, by, strict=True)]}
    if not centred or set(by) == {1}:
        return [scale]
    offsets = [s * (f - 1) / 2 for s, f in zip(steps, by, strict=True)]
    return [scale, {"type": "translation", "translation": offsets}]


def _rgba(label: LabelClass) -> list[int]:
    """The colour of a class; 0 is shown transparent."""
    rgb = [int(label.color[i : i + 2], 16) for i in (1, 3, 5)]
    return [*rgb, OPAQUE if label.value else 0]
