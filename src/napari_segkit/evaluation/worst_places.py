"""The largest connected errors of an error map."""

from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.regions import Box
from napari_segkit.images.types import AnyArray

from .slab_reader import slabs

WIDTH = 3  # pixels: thinner errors, such as rims, are listed only where there are no others


class ErrorPlace(NamedTuple):
    """Connected pixels with the same error."""

    box: Box
    value: int  # of the error map
    pixels: int


def worst_places(errors: AnyArray, wrong: Sequence[int], most: int = 100) -> list[ErrorPlace]:
    """The largest connected errors of an error map, largest first.

    `wrong` are the values that are errors. Errors are at least 3 pixels wide in their plane, so
    that rims do not connect them all; if there are none, thinner ones are taken. Maps of more than
    8 million pixels are looked at in slabs.
    """
    for is_thin in (False, True):
        found = chain.from_iterable(
            _places(errors[s], wrong, s, most, is_thin) for s in slabs(errors)
        )
        if largest := nlargest(most, found, key=lambda place: place.pixels):
            return largest
    return []


def _places(
    slab: AnyArray, wrong: Sequence[int], at: slice, most: int, is_thin: bool
) -> Iterator[ErrorPlace]:
    """The largest errors of each kind in a slab that begins at `at` along the first axis."""
    from scipy.ndimage import find_objects, label

    for value in wrong:
        mask = slab == value
        labels, count = label(mask if is_thin else _opened(mask))
        if not count:
            continue
        pixels, boxes = np.bincount(labels.ravel())[1:], find_objects(labels)
        for index in np.argsort(-pixels, kind="stable")[:most].tolist():
            first, *others = boxes[index]
            box = slice(first.start + at.start, first.stop + at.start), *others
            yield ErrorPlace(box, value, int(pixels[index]))


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask without what is thinner than `WIDTH` in the plane of its last two axes."""
    from scipy.ndimage import binary_opening

    plane = np.ones([1] * (mask.ndim - 2) + [WIDTH] * min(2, mask.ndim), bool)
    opened: NDArray[np.bool_] = binary_opening(mask, plane)
    return opened
