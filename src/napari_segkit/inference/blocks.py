"""Blocks of frames that are predicted one by one, each with what its pixels depend on around it."""

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod

from napari_segkit.images.regions import Box


def block_edges(lengths: Sequence[int], shape: Sequence[int], pixels: int) -> list[int]:
    """Edges of blocks of about so many pixels of a frame, multiples of some lengths."""
    edges = list(lengths)
    while prod(edges) < pixels:
        growing = [axis for axis, n in enumerate(shape) if edges[axis] < n]
        if not growing:
            break
        axis = min(growing, key=lambda axis: edges[axis])
        edges[axis] += lengths[axis]
    return edges


def divide(box: Box, edges: Sequence[int]) -> list[tuple[tuple[int, ...], Box]]:
    """Blocks of a grid that starts at the origin, cut to a box, after their places in it."""
    sides = []
    for side, edge in zip(box, edges, strict=True):
        inner = range((side.start // edge + 1) * edge, side.stop, edge)
        sides.append([slice(*ends) for ends in pairwise([side.start, *inner, side.stop])])
    places = product(*[range(len(axis)) for axis in sides])
    return list(zip(places, product(*sides), strict=True))
