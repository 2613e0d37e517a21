"""Completely annotated regions (shapes or a mask) as a mask of pixels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import given
from napari_segkit.images.arrays import as_array
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.outlines import (
    as_outlines,
    is_shapes_layer,
    outlined_pixels,
    shape_outlines,
)
from napari_segkit.images.types import AnyArray, is_layer

HOW_TO_DRAW = "draw a rectangle, ellipse or polygon around what is completely annotated"


def region_mask(regions: object, labels: object, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Boolean mask of `shape` of the completely annotated pixels.

    `regions` are a Shapes layer, polygons ``(n, 2)`` or ``(n, ndim)`` in pixels of the labels, or a
    mask. A polygon of fewer dimensions than the labels holds for every slice; one of more than two
    lies in one slice. Pixels count if their centre is inside; on an edge, those on the upper and
    left sides do: a rectangle from 2 to 5 covers the pixels 2, 3 and 4. ValueError or TypeError if
    the regions cannot be used.
    """
    shape = tuple(shape)
    if is_shapes_layer(regions):
        polygons = [o[:, -len(shape) :] for o in shape_outlines(regions, labels)]
    elif is_layer(regions):
        return _read_mask(np.asarray(full_resolution(regions, "regions")), shape)
    elif hasattr(regions, "dtype"):
        return _read_mask(np.asarray(as_array(regions, "regions")), shape)
    elif isinstance(regions, Sequence) and not isinstance(regions, str | bytes):
        polygons = as_outlines(regions)
    else:
        raise TypeError(
            f"The regions are {given(regions)}; give a Shapes layer, a list of polygons or a mask."
        )
    if not polygons:
        raise ValueError(f"The regions hold no shape; give at least one: {HOW_TO_DRAW}.")
    marked = np.zeros(shape, bool)
    for place, inside in outlined_pixels(polygons, shape, "labels"):
        marked[place] |= inside
    return marked


def _read_mask(mask: AnyArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if mask.shape != shape:
        raise ValueError(
            f"The mask of annotated regions has shape {mask.shape}, but the labels have {shape}: "
            "give a mask of the labels' shape, or polygons in a list."
        )
    marked = mask != 0
    if not marked.any():
        raise ValueError(
            "The mask of annotated regions is 0 everywhere; it must mark some pixels: set those "
            "that are completely annotated to 1."
        )
    return marked
