"""Completely annotated regions (shapes or a mask) as a mask of pixels."""

from collections.abc import Sequence
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.arguments import given
from napari_segkit.images.arrays import as_array
from napari_segkit.images.axes_image import full_resolution
from napari_segkit.images.placement import data_to_world, placement_of
from napari_segkit.images.types import AnyArray, PlacedLayer, is_layer

from .polygons import ellipse_polygon, find_crossing, polygon_mask

HOW_TO_DRAW = "draw a rectangle, ellipse or polygon around what is completely annotated"


class ShapesLayer(PlacedLayer, Protocol):
    """A napari Shapes layer."""

    @property
    def shape_type(self) -> Sequence[str]: ...


def region_mask(regions: object, labels: object, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Boolean mask of `shape` of the completely annotated pixels.

    `regions` are a Shapes layer, polygons ``(n, 2)`` or ``(n, ndim)`` in pixels of the labels, or a
    mask. A polygon of fewer dimensions than the labels holds for every slice; one of more than two
    lies in one slice. Pixels count if their centre is inside; on an edge, those on the upper and
    left sides do: a rectangle from 2 to 5 covers the pixels 2, 3 and 4. ValueError or TypeError if
    the regions cannot be used.
    """
    shape = tuple(shape)
    if _is_shapes_layer(regions):
        polygons = [outline[:, -len(shape) :] for outline in shape_outlines(regions, labels)]
    elif is_layer(regions):
        return _read_mask(np.asarray(full_resolution(regions, "regions")), shape)
    elif hasattr(regions, "dtype"):
        return _read_mask(np.asarray(as_array(regions, "regions")), shape)
    elif isinstance(regions, Sequence) and not isinstance(regions, str | bytes):
        named = [(f"Region {number}", outline) for number, outline in enumerate(regions, 1)]
        polygons = [np.asarray(as_array(outline, name)).astype(float) for name, outline in named]
    else:
        raise TypeError(
            f"The regions are {given(regions)}; give a Shapes layer, a list of polygons or a mask."
        )
    if not polygons:
        raise ValueError(f"The regions hold no shape; give at least one: {HOW_TO_DRAW}.")
    marked = np.zeros(shape, bool)
    for number, outline in enumerate(polygons, 1):
        _mark_region(marked, outline, f"Region {number} of {len(polygons)}")
    return marked


def shape_outlines(regions: ShapesLayer, labels: object) -> list[NDArray[np.float64]]:
    """The shapes of a layer as polygons ``(n, k)`` in pixels of the labels.

    k is the number of dimensions that both layers share. Without a layer of labels, pixels are at
    integer world coordinates. ValueError if a shape is a line or a path.
    """
    kinds = list(regions.shape_type)
    for number, kind in enumerate(kinds, 1):
        if kind not in ("rectangle", "ellipse", "polygon"):
            raise ValueError(
                f"Region {number} of {len(kinds)} is a {kind}, which has no inside; regions are "
                f"rectangles, ellipses and polygons: {HOW_TO_DRAW}."
            )
    in_pixels = [_to_label_pixels(vertices, regions, labels) for vertices in regions.data]
    return [
        ellipse_polygon(vertices) if kind == "ellipse" else vertices
        for vertices, kind in zip(in_pixels, kinds, strict=True)
    ]


def _is_shapes_layer(regions: object) -> TypeGuard[ShapesLayer]:
    return hasattr(regions, "shape_type")


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


def _mark_region(marked: NDArray[np.bool_], outline: NDArray[np.float64], name: str) -> None:
    """Set the pixels of a region to True in the mask."""
    shape, dims = marked.shape, outline.shape[-1] if outline.ndim == 2 else 0
    if not 2 <= dims <= len(shape) or len(outline) < 3 or not np.isfinite(outline).all():
        raise ValueError(
            f"{name} is an array of shape {outline.shape}; give the finite coordinates of three or "
            f"more corners, one corner a row, in the last 2 to {len(shape)} dimensions of labels "
            f"of shape {shape}."
        )
    plane, place = _region_plane(outline, shape, name)
    lowest, highest = outline.min(axis=0), outline.max(axis=0)
    if (highest < -0.5).any() or (lowest >= np.array(shape[-dims:]) - 0.5).any():
        raise ValueError(
            f"{name} lies outside the labels of shape {shape}: move it onto what is completely "
            "annotated, or delete it."
        )
    flat = outline[:, [axis - len(shape) + dims for axis in plane]]
    window, inside = polygon_mask(flat, (shape[plane[0]], shape[plane[1]]))
    if not inside.any():
        raise ValueError(f"{name} covers no pixel of the labels: draw it larger, or delete it.")
    point = find_crossing(flat)
    if point is not None:
        at = ", ".join(f"{c:.1f}" for c in point)
        raise ValueError(
            f"{name} crosses itself at ({at}) in pixels, which an outline must not: draw it again "
            "so that no two of its edges cross."
        )
    slices = tuple(place.get(axis, slice(None)) for axis in range(len(shape)))
    marked[slices][(..., *window)] |= inside


def _region_plane(
    outline: NDArray[np.float64], shape: tuple[int, ...], name: str
) -> tuple[tuple[int, int], dict[int, int]]:
    """The two axes along which a region extends, and its position along its other axes."""
    extent, front = np.ptp(outline, axis=0), len(shape) - outline.shape[1]
    order = sorted(range(len(extent)), key=lambda axis: (extent[axis] > 0.5, axis))
    first, second = sorted(order[-2:])
    if any(extent[axis] > 0.5 for axis in order[:-2]):
        raise ValueError(
            f"{name} extends along {int((extent > 0.5).sum())} axes of the labels; a region lies "
            "in one slice: draw one region for each slice, or draw in a Shapes layer of two "
            "dimensions to mark all slices."
        )
    place = np.clip(outline.mean(axis=0).round(), 0, np.array(shape[front:]) - 1).astype(int)
    return (front + first, front + second), {front + a: int(place[a]) for a in order[:-2]}


def _to_label_pixels(
    vertices: ArrayLike, regions: ShapesLayer, labels: object
) -> NDArray[np.float64]:
    """Vertices in pixels of the labels, rounded to remove single precision errors."""
    world = _transform(
        np.asarray(vertices, float), data_to_world(placement_of(regions), regions.ndim)
    )
    dims = min(world.shape[1], getattr(labels, "ndim", world.shape[1]))
    if not _is_placed(labels):
        return world[:, -dims:].round(3)
    coordinates = np.zeros((len(world), labels.ndim))
    coordinates[:, -dims:] = world[:, -dims:] * _unit_ratios(regions, labels, dims)
    to_world = data_to_world(placement_of(labels), labels.ndim)
    return _transform(coordinates, np.linalg.inv(to_world))[:, -dims:].round(3)


def _is_placed(labels: object) -> TypeGuard[PlacedLayer]:
    return is_layer(labels)


def _transform(points: NDArray[np.float64], matrix: AnyArray) -> NDArray[np.float64]:
    return points @ matrix[:-1, :-1].T + matrix[:-1, -1]


def _unit_ratios(regions: PlacedLayer, labels: PlacedLayer, dims: int) -> NDArray[np.float64]:
    """Factors from the units of the regions to those of the labels; 1 if incompatible."""
    pairs = list(zip(regions.units[-dims:], labels.units[-dims:], strict=True))
    if any(one.dimensionality != other.dimensionality for one, other in pairs):
        return np.ones(dims)
    return np.array([float((1 * one).to(other).magnitude) for one, other in pairs])
