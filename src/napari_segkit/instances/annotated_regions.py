"""Regions in which every object is annotated: shapes or a mask, as pixels of the labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segkit.images.axes_image import full_resolution, is_layer

from .polygons import crossing, ellipse, fill

DRAW = "draw a rectangle, ellipse or polygon around what is completely annotated"


def complete(regions: Any, labels: Any, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Mark the pixels that are completely annotated.

    The pixels whose centres lie inside a shape belong to it. One that passes through pixel centres
    counts those on its upper and left side and not those on its lower and right one, so that a
    rectangle from 2 to 5 covers the pixels 2, 3 and 4.

    Parameters
    ----------
    regions : napari Shapes layer, sequence of ndarray, or array-like
        Rectangles, ellipses and polygons, anywhere in the world; or polygons as `outlines` gives
        them, each of shape (n, 2) or (n, ndim), in pixels of the labels; or a mask of `shape`,
        not 0 where annotation is complete. A polygon of fewer dimensions than the labels holds
        for every slice; one of more than two lies in one slice.
    labels : napari Labels layer, array-like or None
        The labels that the regions belong to, for their place in the world.
    shape : sequence of int
        Shape of the labels.

    Returns
    -------
    ndarray of bool
        Of `shape`, True where annotation is complete.

    Raises
    ------
    ValueError
        If there is no shape; if one is a line or path, covers no pixel, lies outside the labels,
        does not lie in one slice, or crosses itself; if a mask has another shape or marks nothing.
    TypeError
        If `regions` are none of these.
    """
    shape = tuple(shape)
    if hasattr(regions, "shape_type"):
        drawn = [outline[:, -len(shape) :] for outline in outlines(regions, labels)]
    elif is_layer(regions) or hasattr(regions, "dtype"):
        return _read_mask(np.asarray(full_resolution(regions)), shape)
    elif isinstance(regions, Sequence) and not isinstance(regions, str):
        drawn = [np.asarray(outline, dtype=float) for outline in regions]
    else:
        raise TypeError(
            f"The regions are a {type(regions).__name__}; give a Shapes layer, a list of polygons "
            "or a mask."
        )
    _require_some(drawn)
    marked = np.zeros(shape, bool)
    for number, outline in enumerate(drawn, 1):
        _mark(marked, outline, f"Region {number} of {len(drawn)}")
    return marked


def outlines(regions: Any, labels: Any) -> list[NDArray[np.float64]]:
    """Give the shapes of a layer as polygons in the pixels of the labels.

    Parameters
    ----------
    regions : napari Shapes layer
        Known by `data`, `shape_type` and its place in the world.
    labels : napari Labels layer, Snapshot, array-like or None
        What is no layer has its pixels at whole numbers of the world.

    Returns
    -------
    list of ndarray
        For each shape (n, k): the last k dimensions of the labels, as many as both layers have.
        An ellipse becomes a polygon less than a hundredth of a pixel away from it.

    Raises
    ------
    ValueError
        If one is a line or a path.
    """
    kinds = list(regions.shape_type)
    for number, kind in enumerate(kinds, 1):
        if kind not in ("rectangle", "ellipse", "polygon"):
            raise ValueError(
                f"Region {number} of {len(kinds)} is a {kind}, which has no inside; regions are "
                f"rectangles, ellipses and polygons: {DRAW}."
            )
    moved = [_into_pixels(vertices, regions, labels) for vertices in regions.data]
    return [
        ellipse(vertices) if kind == "ellipse" else vertices
        for vertices, kind in zip(moved, kinds, strict=True)
    ]


def _require_some(drawn: Sequence[Any]) -> None:
    if not drawn:
        raise ValueError(f"The regions hold no shape; there must be one at least: {DRAW}.")


def _read_mask(mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if mask.shape != shape:
        raise ValueError(
            f"The mask of complete regions has shape {mask.shape}, but the labels have {shape}: "
            "give a mask of the labels' shape, or polygons in a list."
        )
    marked = mask != 0
    if not marked.any():
        raise ValueError(
            "The mask of complete regions is 0 everywhere; it must mark some pixels: set those "
            "that are completely annotated to 1."
        )
    return marked


def _mark(marked: NDArray[np.bool_], outline: NDArray[np.float64], name: str) -> None:
    """Add one region to those marked."""
    shape, dims = marked.shape, outline.shape[-1] if outline.ndim == 2 else 0
    if not 2 <= dims <= len(shape) or len(outline) < 3 or not np.isfinite(outline).all():
        raise ValueError(
            f"{name} is an array of shape {outline.shape}; give the finite coordinates of three or "
            f"more corners, one corner a row, in the last 2 to {len(shape)} dimensions of labels "
            f"of shape {shape}."
        )
    plane, place = _plane(outline, shape, name)
    lowest, highest = outline.min(axis=0), outline.max(axis=0)
    if (highest < -0.5).any() or (lowest >= np.array(shape[-dims:]) - 0.5).any():
        raise ValueError(
            f"{name} lies outside the labels of shape {shape}: move it onto what is completely "
            "annotated, or delete it."
        )
    flat = outline[:, [axis - len(shape) + dims for axis in plane]]
    window, inside = fill(flat, (shape[plane[0]], shape[plane[1]]))
    if not inside.any():
        raise ValueError(f"{name} covers no pixel of the labels: draw it larger, or delete it.")
    crossed = crossing(flat)
    if crossed is not None:
        at = ", ".join(f"{c:.1f}" for c in crossed)
        raise ValueError(
            f"{name} crosses itself at ({at}), counted in pixels; an outline may not: draw it "
            "again so that no two of its lines cross."
        )
    where = tuple(place.get(axis, slice(None)) for axis in range(len(shape)))
    part = marked[where][(..., *window)]
    part |= inside


def _plane(
    outline: NDArray[np.float64], shape: tuple[int, ...], name: str
) -> tuple[tuple[int, int], dict[int, int]]:
    """The two axes in which a region extends, and its place along the others that it has."""
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


def _into_pixels(vertices: ArrayLike, regions: Any, labels: Any) -> NDArray[np.float64]:
    """Corners of a shape in pixels of the labels, without what single precision adds to them."""
    points = np.asarray(vertices, dtype=float)
    linear, offset = _placement(regions)
    world = points @ linear.T + offset
    if not is_layer(labels):
        dims = min(world.shape[1], getattr(labels, "ndim", world.shape[1]))
        return world[:, -dims:].round(3)
    dims = min(world.shape[1], labels.ndim)
    there = np.zeros((len(world), labels.ndim))
    there[:, -dims:] = world[:, -dims:] * _unit_ratios(regions, labels, dims)
    linear, offset = _placement(labels)
    pixels = (there - offset) @ np.linalg.inv(linear).T
    return np.asarray(pixels[:, -dims:].round(3), float)


def _placement(layer: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and offset from a layer's own coordinates to the world, as napari composes them."""
    shear = np.asarray(layer.shear, dtype=float)
    if shear.ndim == 1:  # the numbers above the diagonal
        upper, shear = shear, np.eye(layer.ndim)
        shear[np.triu_indices(layer.ndim, 1)] = upper
    affine = np.asarray(getattr(layer.affine, "affine_matrix", layer.affine))
    linear = np.asarray(layer.rotate) @ shear @ np.diag(layer.scale)
    turned, offset = affine[:-1, :-1], affine[:-1, -1]
    return turned @ linear, turned @ np.asarray(layer.translate) + offset


def _unit_ratios(regions: Any, labels: Any, dims: int) -> NDArray[np.float64]:
    """What the last axes of the regions' world are in units of the labels', such as nm in um.

    As in napari, units take no part where those of an axis do not measure the same.
    """
    pairs = list(zip(regions.units[-dims:], labels.units[-dims:], strict=True))
    if any(one.dimensionality != other.dimensionality for one, other in pairs):
        return np.ones(dims)
    return np.array([float((1 * one).to(other).magnitude) for one, other in pairs])
