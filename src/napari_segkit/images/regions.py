"""Regions of an image: boxes, outlines or a mask, of which only these pixels are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.arguments import given

from .arrays import as_array
from .axes_image import SPATIAL, AxesImage, full_resolution
from .levels import finest_to_level
from .orientation import reorient, reorientation_matrix
from .outlines import as_outlines, is_shapes_layer, outlined_pixels, shape_outlines
from .types import AnyArray, is_layer

Box: TypeAlias = tuple[slice, ...]  # start and stop along each axis
Frame: TypeAlias = Mapping[str, int]  # index of a plane or volume, such as {"T": 0}


@dataclass(frozen=True, eq=False)
class Part:
    """A box of pixels, along the axes of the labels, or some of its pixels."""

    box: Box
    mask: NDArray[np.bool_] | None = None  # of the box's shape; None: all of it


@dataclass(frozen=True, eq=False)
class Region:
    """Some of the pixels of an image, in the shape of its labels.

    Parameters
    ----------
    axes : str
        Axes of the labels, such as "ZYX".
    shape : tuple of int
        Shape of the labels.
    parts : tuple of Part
        Boxes, or some of their pixels; they may overlap.
    """

    axes: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]

    @cached_property
    def pixels(self) -> int:
        """Number of its pixels."""
        return sum(
            prod(lengths(part.box)) if part.mask is None else int(part.mask.sum())
            for part in self.parts
        )

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which pixels it has, in the shape of the labels."""
        return self.within(tuple(slice(0, n) for n in self.shape))

    def within(self, box: Box) -> NDArray[np.bool_]:
        """Which pixels of a box along `axes` it has."""
        found = np.zeros(lengths(box), bool)
        for shared, part in self._shared(box):
            mask = True if part.mask is None else part.mask[relative(shared, part.box)]
            found[relative(shared, box)] |= mask
        return found

    def near(self, box: Box) -> list[int]:
        """Numbers of the parts whose boxes overlap a box; there may be thousands of parts."""
        if not self.parts:
            return []
        low, high = np.array([[side.start, side.stop] for side in box]).T
        overlap = (self._ends[..., 0] < high) & (low < self._ends[..., 1])
        return np.flatnonzero(overlap.all(axis=1)).tolist()

    @cached_property
    def _ends(self) -> NDArray[np.int_]:
        """Starts and stops of the boxes: (parts, axes, 2)."""
        return np.array([[[side.start, side.stop] for side in part.box] for part in self.parts])

    def _shared(self, box: Box) -> list[tuple[Box, Part]]:
        """The parts that overlap a box, and where."""
        near = [self.parts[number] for number in self.near(box)]
        return [(shared, p) for p in near if (shared := intersection(box, p.box)) is not None]

    def inside(self, frame: Frame, box: Sequence[slice]) -> NDArray[np.bool_]:
        """Which pixels of a box (Y X or Z Y X) of a frame it has."""
        found = self.within(label_box(self.axes, frame, box))
        spatial = [self.axes.index(a) for a in SPATIAL[-len(box) :]]
        others = [axis for axis in range(found.ndim) if axis not in spatial]
        return found.transpose(*others, *spatial).reshape(lengths(box))

    def touches(self, frame: Frame, box: Sequence[slice]) -> bool:
        """Whether it has pixels in a box (Y X or Z Y X) of a frame."""
        return any(
            part.mask is None or bool(part.mask[relative(shared, part.box)].any())
            for shared, part in self._shared(label_box(self.axes, frame, box))
        )

    def bounding_box(self, frame: Frame, ndim: int) -> Box | None:
        """The box (Y X or Z Y X) around its pixels in a frame; None if it has none there."""
        spatial = [self.axes.index(a) for a in SPATIAL[-ndim:]]
        whole = label_box(self.axes, frame, [slice(0, self.shape[axis]) for axis in spatial])
        shared = self._shared(whole)
        if not shared:
            return None
        around = union([box for box, _ in shared])
        box = tuple([around[axis] for axis in spatial])
        if all(part.mask is None for _, part in shared):
            return box
        inside = self.inside(frame, box)
        return _around(inside, box) if inside.any() else None

    def reoriented(self, orientation: str, target: str) -> "Region":
        """The same pixels of the image in another orientation, as `orientation.reorient` does."""
        if orientation == target or not (orientation and target) or "Z" not in self.axes:
            return self
        matrix = reorientation_matrix(self.shape, self.axes, orientation, target)
        move = np.linalg.inv(matrix).round().astype(int)
        shape = np.abs(move[:-1, :-1]) @ self.shape
        parts = [
            Part(
                _moved(part.box, move),
                None if part.mask is None else reorient(part.mask, self.axes, orientation, target),
            )
            for part in self.parts
        ]
        return Region(self.axes, tuple(shape.tolist()), tuple(parts))

    def to_dict(self) -> dict[str, object]:
        """What it is, as values that JSON can hold: the box around it, and how many pixels."""
        box = union([part.box for part in self.parts]) if self.parts else ()
        ends = [[s.start, s.stop] for s in box]
        return {"axes": self.axes, "box": ends, "pixels": self.pixels}


def as_region(value: object, image: AxesImage, layer: object = None) -> Region:
    """Read what a person gives as a region of an image; ValueError or TypeError if it is none.

    `layer` is the image as it was given, which says where it lies under a Shapes layer.
    """
    axes, shape = image.label_axes, image.label_shape
    if isinstance(value, Region):
        parts = _parts_of_region(value, axes, shape)
    elif is_shapes_layer(value):
        drawn = (finest_to_level(o, layer, image.level) for o in shape_outlines(value, layer))
        outlines = [_label_corners(outline, image, layer) for outline in drawn]
        parts = _outlined(outlines, shape)
    elif is_layer(value):
        parts = _marked(np.asarray(full_resolution(value, "region")), axes, shape)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        parts = _marked(np.asarray(as_array(value, "region")), axes, shape)
    elif isinstance(value, Mapping) or _is_index(value):
        parts = [Part(_index_box(value, axes, shape))]
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        parts = _outlined(as_outlines(value), shape)
    else:
        raise TypeError(f"region is {given(value)}: {wanted(axes, shape)}.")
    if not parts:
        raise ValueError(f"region holds no pixel: {wanted(axes, shape)}.")
    return Region(axes, shape, tuple(parts))


def wanted(axes: str, shape: tuple[int, ...]) -> str:
    """What to give as a region of labels, at the end of a message."""
    example = ", ".join(["0:512"] * 2 if len(axes) == 2 else ["3", "..."])
    return (
        f"give a slice or number for each of the axes {axes} such as np.s_[{example}], a dict such "
        f"as {{'Y': slice(0, 512)}}, polygons in a list, a Shapes layer, or a mask of shape {shape}"
    )


def label_box(axes: str, frame: Frame, box: Sequence[slice]) -> Box:
    """A box (Y X or Z Y X) of a frame, along the axes of labels."""
    named = dict(zip(SPATIAL[-len(box) :], box, strict=True))
    named |= {axis: slice(index, index + 1) for axis, index in frame.items()}
    return tuple([named[a] for a in axes])


def intersection(a: Box, b: Box) -> Box | None:
    """Where two boxes overlap; None if they do not."""
    pairs = zip(a, b, strict=True)
    shared = tuple([slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in pairs])
    return shared if all(s.start < s.stop for s in shared) else None


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around one or more boxes."""
    axes = zip(*boxes, strict=True)
    return tuple([slice(min(s.start for s in a), max(s.stop for s in a)) for a in axes])


def disjoint(parts: Sequence[Part]) -> list[Part]:
    """Parts that do not overlap, with the same pixels."""
    apart: list[Part] = []
    every = Region("", (), tuple(parts))
    for number, part in enumerate(parts):
        taken = Region("", (), tuple([parts[n] for n in every.near(part.box) if n < number]))
        if taken.parts:
            mask = ~taken.within(part.box)
            part = Part(part.box, mask if part.mask is None else mask & part.mask)
        if part.mask is None or part.mask.any():
            apart.append(part)
    return apart


def _is_index(value: object) -> bool:
    items = value if isinstance(value, tuple | list) else (value,)
    numbers = [isinstance(i, Integral) and not isinstance(i, bool) for i in items]
    known = [n or isinstance(i, slice) or i is ... for n, i in zip(numbers, items, strict=True)]
    return bool(known) and all(known)


def _index_box(value: Any, axes: str, shape: tuple[int, ...]) -> Box:
    """The box of slices and numbers, of all axes or by their names."""
    lengths = dict(zip(axes, shape, strict=True))
    if isinstance(value, Mapping):
        named = {str(axis).upper(): index for axis, index in value.items()}
        if unknown := [axis for axis in named if axis not in lengths]:
            raise ValueError(
                f"region names the axis {unknown[0]!r}, but the labels have the axes {axes}: "
                "name some of these."
            )
    else:
        items = list(value) if isinstance(value, tuple | list) else [value]
        named = dict(zip(axes, _completed(items, axes, shape), strict=True))
    return tuple([_extent(named.get(axis, slice(None)), axis, n) for axis, n in lengths.items()])


def _completed(items: list[Any], axes: str, shape: tuple[int, ...]) -> list[Any]:
    """One item for each axis, an Ellipsis replaced by what is left out."""
    if items.count(...) == 1 and len(items) <= len(axes) + 1:
        at = items.index(...)
        items[at : at + 1] = [slice(None)] * (len(axes) + 1 - len(items))
    if len(items) != len(axes) or ... in items:
        raise ValueError(
            f"region has {len(items)} dimension{'s' * (len(items) != 1)}, but the labels have "
            f"{len(axes)} (axes {axes}, "
            f"shape {shape}): {wanted(axes, shape)}."
        )
    return items


def _extent(index: Any, axis: str, length: int) -> slice:
    """The pixels of a slice or number along an axis; ValueError if there are none."""
    if isinstance(index, Integral) and not isinstance(index, bool):
        start = int(index) + length * (index < 0)
        stop = start + 1
    elif isinstance(index, slice) and index.step in (None, 1):
        start, stop, _ = index.indices(length)
    else:
        raise ValueError(
            f"region is {given(index)} along {axis}: give a whole number or a slice without a step."
        )
    if not 0 <= start < stop <= length:
        raise ValueError(
            f"region is {_text(index)} along {axis}, where the image has {length} pixels, and "
            f"holds none of them: give a part of 0:{length}."
        )
    return slice(start, stop)


def _text(index: Any) -> str:
    """A number or slice as it is written in brackets."""
    if not isinstance(index, slice):
        return str(index)
    return ":".join("" if end is None else str(end) for end in (index.start, index.stop))


def _outlined(outlines: Sequence[NDArray[np.float64]], shape: tuple[int, ...]) -> list[Part]:
    """Parts of outlines; a pixel of several belongs to the first of them."""
    pixels = outlined_pixels(outlines, shape, "image")
    return disjoint([Part(box, np.broadcast_to(inside, lengths(box))) for box, inside in pixels])


def _label_corners(
    outline: NDArray[np.float64], image: AxesImage, layer: object
) -> NDArray[np.float64]:
    """Corners in the dimensions of the labels, of corners in those of a layer."""
    has_channel_axis = getattr(layer, "ndim", 0) == len(image.axes)
    axes = image.axes if has_channel_axis else image.label_axes
    shared = axes[-outline.shape[1] :]
    kept = [
        column for column, axis in enumerate(shared, outline.shape[1] - len(shared)) if axis != "C"
    ]
    return outline[:, kept]


def _marked(mask: AnyArray, axes: str, shape: tuple[int, ...]) -> list[Part]:
    if mask.shape != shape:
        raise ValueError(
            f"region is an array of shape {mask.shape}, but the labels have the shape {shape} "
            f"(axes {axes}): {wanted(axes, shape)}."
        )
    marked = mask != 0
    if not marked.any():
        raise ValueError("region is a mask that is 0 everywhere: set what to predict to 1.")
    box = _around(marked, tuple(slice(0, n) for n in shape))
    return [Part(box, marked[box])]


def _parts_of_region(region: Region, axes: str, shape: tuple[int, ...]) -> Sequence[Part]:
    if (region.axes, region.shape) != (axes, shape):
        raise ValueError(
            f"region is one of labels of axes {region.axes} and shape {region.shape}, but those of "
            f"the image have the axes {axes} and the shape {shape}: {wanted(axes, shape)}."
        )
    return region.parts


def _around(marked: NDArray[np.bool_], box: Box) -> Box:
    """The box around the marked pixels of a box."""
    ends = []
    for axis, whole in enumerate(box):
        others = tuple(other for other in range(marked.ndim) if other != axis)
        (places,) = np.nonzero(marked.any(axis=others))
        ends.append(slice(whole.start + int(places[0]), whole.start + int(places[-1]) + 1))
    return tuple(ends)


def _moved(box: Box, move: NDArray[np.int_]) -> Box:
    """A box after an affine move of its pixels that keeps the axes straight."""
    corners = np.array([[s.start, s.stop - 1] for s in box])
    first, last = (move[:-1, :-1] @ corners + move[:-1, -1:]).T
    low, high = np.minimum(first, last).tolist(), np.maximum(first, last).tolist()
    return tuple([slice(a, b + 1) for a, b in zip(low, high, strict=True)])


def lengths(box: Sequence[slice]) -> list[int]:
    return [s.stop - s.start for s in box]


def relative(box: Box, outer: Box) -> Box:
    """A box counted from the first pixel of another one."""
    axes = zip(box, outer, strict=True)
    return tuple([slice(b.start - o.start, b.stop - o.start) for b, o in axes])
