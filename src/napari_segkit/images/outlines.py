"""Outlines that were drawn over an image: a Shapes layer or polygons, and the pixels inside."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import as_array
from .placement import data_to_world, placement_of
from .polygons import ellipse_polygon, find_crossing, polygon_mask
from .types import AnyArray, PlacedLayer, is_layer

Outline = NDArray[np.float64]  # (corners, dimensions), in pixels


class ShapesLayer(PlacedLayer, Protocol):
    """A napari Shapes layer."""

    @property
    def shape_type(self) -> Sequence[str]: ...


def is_shapes_layer(regions: object) -> TypeGuard[ShapesLayer]:
    """Whether this is a napari Shapes layer, or a copy of one."""
    return hasattr(regions, "shape_type")


def as_outlines(polygons: Sequence[ArrayLike]) -> list[Outline]:
    """A list of polygons as arrays; TypeError if one cannot be read."""
    named = [(f"Region {number}", outline) for number, outline in enumerate(polygons, 1)]
    return [np.asarray(as_array(outline, name)).astype(float) for name, outline in named]


def shape_outlines(regions: ShapesLayer, layer: object) -> list[Outline]:
    """The shapes of a layer as polygons ``(n, k)`` in pixels of another layer.

    k is the number of dimensions that both layers share. Without another layer, pixels are at
    integer world coordinates. ValueError if a shape is a line or a path.
    """
    kinds = list(regions.shape_type)
    for number, kind in enumerate(kinds, 1):
        if kind not in ("rectangle", "ellipse", "polygon"):
            raise ValueError(
                f"Region {number} of {len(kinds)} is a {kind}, which has no inside; regions are "
                "rectangles, ellipses and polygons: draw one of these."
            )
    in_pixels = [_to_pixels(vertices, regions, layer) for vertices in regions.data]
    return [
        ellipse_polygon(vertices) if kind == "ellipse" else vertices
        for vertices, kind in zip(in_pixels, kinds, strict=True)
    ]


def outlined_pixels(
    outlines: Sequence[Outline], shape: Sequence[int], noun: str
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """The window of each outline, and which of its pixels are inside, broadcast to the window.

    An outline of fewer dimensions than `shape` holds for every slice; one of more than two lies in
    one slice. Pixels count if their centre is inside; on an edge, those on the upper and left sides
    do. ValueError if an outline cannot be used; `noun` is what has the shape.
    """
    for number, outline in enumerate(outlines, 1):
        yield _inside(outline, tuple(shape), f"Region {number} of {len(outlines)}", noun)


def _inside(
    outline: Outline, shape: tuple[int, ...], name: str, noun: str
) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
    dims = outline.shape[-1] if outline.ndim == 2 else 0
    if not 2 <= dims <= len(shape) or len(outline) < 3 or not np.isfinite(outline).all():
        raise ValueError(
            f"{name} is an array of shape {outline.shape}; give the finite coordinates of three or "
            f"more corners, one corner a row, in the last 2 to {len(shape)} dimensions of the "
            f"{noun} of shape {shape}."
        )
    plane, place = _plane(outline, shape, name, noun)
    lowest, highest = outline.min(axis=0), outline.max(axis=0)
    if (highest < -0.5).any() or (lowest >= np.array(shape[-dims:]) - 0.5).any():
        raise ValueError(
            f"{name} lies outside the {noun} of shape {shape}: move it onto the {noun}, or delete "
            "it."
        )
    flat = outline[:, [axis - len(shape) + dims for axis in plane]]
    window, inside = polygon_mask(flat, (shape[plane[0]], shape[plane[1]]))
    if not inside.any():
        raise ValueError(f"{name} covers no pixel of the {noun}: draw it larger, or delete it.")
    point = find_crossing(flat)
    if point is not None:
        at = ", ".join(f"{c:.1f}" for c in point)
        raise ValueError(
            f"{name} crosses itself at ({at}) in pixels, which an outline must not: draw it again "
            "so that no two of its edges cross."
        )
    ranges = dict(zip(plane, window, strict=True))
    ranges |= {axis: slice(position, position + 1) for axis, position in place.items()}
    box = tuple(ranges.get(axis, slice(0, n)) for axis, n in enumerate(shape))
    lengths = dict(zip(plane, inside.shape, strict=True))
    return box, inside.reshape([lengths.get(axis, 1) for axis in range(len(shape))])


def _plane(
    outline: Outline, shape: tuple[int, ...], name: str, noun: str
) -> tuple[tuple[int, int], dict[int, int]]:
    """The two axes along which an outline extends, and its position along its other axes."""
    extent, front = np.ptp(outline, axis=0), len(shape) - outline.shape[1]
    order = sorted(range(len(extent)), key=lambda axis: (extent[axis] > 0.5, axis))
    first, second = sorted(order[-2:])
    if any(extent[axis] > 0.5 for axis in order[:-2]):
        raise ValueError(
            f"{name} extends along {int((extent > 0.5).sum())} axes of the {noun}; a region lies "
            "in one slice: draw one region for each slice, or draw in a Shapes layer of two "
            "dimensions to mark all slices."
        )
    place = np.clip(outline.mean(axis=0).round(), 0, np.array(shape[front:]) - 1).astype(int)
    return (front + first, front + second), {front + a: int(place[a]) for a in order[:-2]}


def _to_pixels(vertices: ArrayLike, regions: ShapesLayer, layer: object) -> Outline:
    """Vertices in pixels of a layer, rounded to remove single precision errors."""
    world = _transform(
        np.asarray(vertices, float), data_to_world(placement_of(regions), regions.ndim)
    )
    dims = min(world.shape[1], getattr(layer, "ndim", world.shape[1]))
    if not _is_placed(layer):
        return world[:, -dims:].round(3)
    coordinates = np.zeros((len(world), layer.ndim))
    coordinates[:, -dims:] = world[:, -dims:] * _unit_ratios(regions, layer, dims)
    to_world = data_to_world(placement_of(layer), layer.ndim)
    return _transform(coordinates, np.linalg.inv(to_world))[:, -dims:].round(3)


def _is_placed(layer: object) -> TypeGuard[PlacedLayer]:
    return is_layer(layer)


def _transform(points: Outline, matrix: AnyArray) -> Outline:
    return points @ matrix[:-1, :-1].T + matrix[:-1, -1]


def _unit_ratios(regions: PlacedLayer, layer: PlacedLayer, dims: int) -> Outline:
    """Factors from the units of the regions to those of the layer; 1 if incompatible."""
    pairs = list(zip(regions.units[-dims:], layer.units[-dims:], strict=True))
    if any(one.dimensionality != other.dimensionality for one, other in pairs):
        return np.ones(dims)
    return np.array([float((1 * one).to(other).magnitude) for one, other in pairs])
