"""Labels layers of napari as TIFF and PNG files, with pixel sizes and classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_segkit.images.axes_image import AXES, SPATIAL
from napari_segkit.images.classes import classes_shown
from napari_segkit.images.types import AnyArray, LayerArray, LayerOptions

from .files import write_labels
from .tiff import Spacing
from .writers import FileMetadata


def write_labels_layer(path: str, data: LayerArray, meta: LayerOptions) -> list[str]:
    """Writer for napari: a labels layer with its pixel sizes, and names and colours of classes."""
    from pandas import DataFrame

    pixels = np.asarray(data[0] if meta.get("multiscale") else data)
    axes = _axes(meta.get("axis_labels") or (), pixels.ndim)
    scale = meta.get("scale")
    metadata = FileMetadata(
        axes,
        _spacing(axes, np.ones(pixels.ndim) if scale is None else np.asarray(scale)),
        classes=classes_shown(DataFrame(meta.get("features")), meta.get("colormap")),
    )
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


def _spacing(axes: str, scale: AnyArray) -> Spacing:
    steps = {axis: abs(float(step)) for axis, step in zip(axes, scale, strict=True)}
    z, y, x = (steps.get(axis, 1.0) for axis in SPATIAL)
    return z, y, x
