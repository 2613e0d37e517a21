"""Shape properties of label values, with scikit-image's `regionprops`."""

from collections.abc import Collection, Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.blocks import MAX_BLOCK
from napari_segkit.images.labels import rank_values, read_label_arrays
from napari_segkit.images.types import AnyArray, Labels
from napari_segkit.instances.properties import ONLY_2D, PROPERTIES, measure_frame

from .sums import Sums


def shape_columns(
    labels: AxesImage, frame: Mapping[str, int], ndim: int, sums: Sums
) -> dict[str, AnyArray]:
    """Shape properties of the values of a frame, which all have pixels.

    A frame that is not in memory and too large for it is read object by object.
    """
    shape, spacing, values = labels.spatial_shape(ndim), labels.spacing[-ndim:], sums.values
    names = [p for p in PROPERTIES if p != "centroid" and not (ndim == 3 and p in ONLY_2D)]
    if isinstance(labels.data, np.ndarray) or prod(shape) <= MAX_BLOCK:
        regions = [([slice(0, length) for length in shape], values)]
    else:
        corners = zip(sums.first[:, -ndim:].tolist(), sums.last[:, -ndim:].tolist(), strict=True)
        regions = [
            ([slice(a, b + 1) for a, b in zip(*each, strict=True)], values[i : i + 1])
            for i, each in enumerate(corners)
        ]
    found = [_measure(_read(labels, frame, box), own, spacing, names) for box, own in regions]
    return {name: np.concatenate([each[name] for each in found] or [np.zeros(0)]) for name in names}


def _read(labels: AxesImage, frame: Mapping[str, int], region: list[slice]) -> Labels:
    (values,) = read_label_arrays([labels.read(dict(frame), region)[0]])
    return values


def _measure(
    pixels: Labels, values: NDArray[np.int64], spacing: tuple[float, ...], names: Collection[str]
) -> dict[str, AnyArray]:
    """Properties of these rising values, by name; other values are left out."""
    inside = np.isin(pixels, values)
    numbered = np.zeros(pixels.shape, np.int32)
    if len(values):
        numbered[inside] = rank_values(pixels[inside], values) + 1
    measured = measure_frame(numbered, spacing, tuple(names))
    del measured["label"]
    return {name.replace("hull_fraction", "solidity"): col for name, col in measured.items()}
