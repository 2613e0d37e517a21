"""Labels layers of napari as TIFF and PNG files, with pixel sizes and classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.axis_guess import AXES
from napari_segkit.images.classes import classes_shown
from napari_segkit.images.types import LayerArray, LayerOptions
from napari_segkit.images.units import PixelSize, pixel_size

from .files import write_labels
from .writers import FileMetadata


def write_labels_layer(path: str, data: LayerArray, meta: LayerOptions) -> list[str]:
    """Writer for napari: a labels layer with its pixel sizes, and names and colours of classes."""
    from pandas import DataFrame

    pixels = np.asarray(data[0] if meta.get("multiscale") else data)
    axes = _axes(meta.get("axis_labels") or (), pixels.ndim)
    spacing, unit = _pixel_size(axes, meta)
    classes = classes_shown(DataFrame(meta.get("features")), meta.get("colormap"))
    metadata = FileMetadata(axes, spacing, unit=unit, classes=classes)
    write_labels(Path(path), pixels, metadata, overwrite=True)
    return [path]


def _axes(labels: Sequence[str], ndim: int) -> str:
    """Axes from the layer's axis labels, or by number."""
    named = "".join(str(label).upper()[:1] for label in labels)
    if len(named) == ndim == len(set(named)) and {"Y", "X"} <= set(named) <= set(AXES):
        return named
    if not 2 <= ndim <= 4:
        raise ValueError(
            f"The labels have {ndim} dimensions without known names, but a file takes 2 to 4: "
            "name the axes of the layer with letters of TCZYX."
        )
    return "TZYX"[-ndim:]


def _pixel_size(axes: str, meta: LayerOptions) -> PixelSize:
    scale, units = meta.get("scale"), meta.get("units")
    steps = dict(zip(axes, [] if scale is None else np.abs(scale).tolist(), strict=False))
    names = dict(zip(axes, map(str, units or ()), strict=False))
    unknown = names.get("Y", "")
    sizes = [float(steps.get(axis, 1.0)) for axis in SPATIAL]
    return pixel_size(sizes, [names.get(axis, unknown) for axis in SPATIAL])
