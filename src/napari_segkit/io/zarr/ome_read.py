"""Metadata of OME-Zarr 0.1 to 0.5, as other programs write them: axes, sizes, names, classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.classes import LabelClass, default_color
from napari_segkit.images.units import PixelSize, pixel_size

RGB = ("#ff0000", "#00ff00", "#0000ff")


@dataclass(frozen=True)
class Multiscale:
    """The levels of an image and what their axes mean; scale and translation are of the finest."""

    paths: tuple[str, ...]
    axes: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str, ...]

    @property
    def size(self) -> PixelSize:
        """Distances between pixels along Z, Y and X, in one unit."""
        steps = dict(zip(self.axes, self.scale, strict=True))
        units = dict(zip(self.axes, self.units, strict=True))
        return pixel_size([steps.get(a, 1.0) for a in SPATIAL], [units.get(a, "") for a in SPATIAL])


@dataclass(frozen=True)
class Channel:
    """How a channel is shown; what is unknown is empty."""

    name: str = ""
    colour: str = ""
    limits: tuple[float, float] | None = None


def ome_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """What OME stores in a group: below "ome" from 0.5 on."""
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def multiscale_of(ome: Mapping[str, Any], ndim: int) -> Multiscale:
    """The first image of a group whose arrays have so many dimensions."""
    described = ome["multiscales"][0]
    axes, units = _axes(described.get("axes"), ndim)
    datasets = described["datasets"]
    scale, translation, is_known = [1.0] * ndim, [0.0] * ndim, False
    for place in (datasets[0], described):  # what is said of all levels comes second
        by, offset = _transform(place.get("coordinateTransformations") or (), ndim)
        scale = [s * b for s, b in zip(scale, by or [1.0] * ndim, strict=True)]
        translation = [
            t * b + o for t, b, o in zip(translation, by or [1.0] * ndim, offset, strict=True)
        ]
        is_known = is_known or by is not None
    paths = tuple(str(dataset["path"]) for dataset in datasets)
    steps = tuple(_step(*each) for each in zip(axes, scale, strict=True))
    return Multiscale(paths, axes, steps, tuple(translation), units if is_known else ("",) * ndim)


def level_paths(ome: Mapping[str, Any]) -> list[str]:
    """Where the arrays of the first image of a group are, the finest first."""
    return [str(dataset["path"]) for dataset in ome["multiscales"][0]["datasets"]]


def channels_of(ome: Mapping[str, Any], count: int) -> list[Channel]:
    """How the channels are shown, as far as the group says."""
    known = (ome.get("omero") or {}).get("channels") or ()
    rows = [_channel(row) for row in known] if len(known) == count else []
    return rows or [Channel()] * count


def are_colours(channels: Sequence[Channel], dtype: Any) -> bool:
    """Whether channels are red, green and blue of a photograph."""
    return dtype == "uint8" and tuple(c.colour for c in channels) == RGB


def classes_of(ome: Mapping[str, Any]) -> tuple[LabelClass, ...]:
    """Names and colours of label values."""
    label = ome.get("image-label", {})
    colours = {
        int(c["label-value"]): _hex(c["rgba"]) for c in label.get("colors", ()) if "rgba" in c
    }
    names = {
        int(p["label-value"]): str(p["name"]) for p in label.get("properties", ()) if "name" in p
    }
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), colours.get(v, default_color(v)))
        for v in sorted({*colours, *names})
        if v >= 0
    )


def _axes(described: Any, ndim: int) -> tuple[str, tuple[str, ...]]:
    """Letters of TCZYX and units; versions before 0.3 had always these five."""
    rows = list(described or AXES[-ndim:].lower())
    names = [row["name"] if isinstance(row, Mapping) else row for row in rows]
    units = [str(row.get("unit") or "") if isinstance(row, Mapping) else "" for row in rows]
    axes = "".join(str(name).upper() for name in names)
    if len(names) != ndim or len(axes) != ndim or not set(axes) <= set(AXES):
        raise ValueError(
            f"its axes are {', '.join(map(str, names))}, for {ndim} dimensions, but only t, c, z, "
            "y and x are understood: save it with these"
        )
    return axes, tuple(units)


def _step(axis: str, step: float) -> float:
    """A distance between pixels; of frames and channels 1 where it is none."""
    if 0 < step < inf:
        return step
    if axis in SPATIAL:
        raise ValueError(
            f"its pixel size along {axis} is {step:g}, but it must be a positive number: correct "
            "the scale in its metadata"
        )
    return 1.0


def _transform(steps: Any, ndim: int) -> tuple[list[float] | None, list[float]]:
    """Scale, if there is one, and translation of a list of transformations."""
    scale, translation = None, [0.0] * ndim
    for step in steps:
        values = step.get(step.get("type"))
        if isinstance(values, list) and len(values) == ndim:
            if step["type"] == "scale":
                scale = [float(v) for v in values]
            elif step["type"] == "translation":
                translation = [float(v) for v in values]
    return scale, translation


def _channel(row: Mapping[str, Any]) -> Channel:
    window = row.get("window", {})
    limits = window.get("start"), window.get("end")
    known = None not in limits and limits[0] < limits[1]
    colour = str(row.get("color", "")).lower().removeprefix("#")[:6]
    return Channel(
        str(row.get("label", "")),
        f"#{colour}" if len(colour) == 6 else "",
        (float(limits[0]), float(limits[1])) if known else None,
    )


def _hex(rgba: Sequence[float]) -> str:
    return "#" + "".join(f"{int(value):02x}" for value in rgba[:3])
