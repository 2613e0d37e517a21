"""Make superpixels connected and merge small ones."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage import measure

from napari_segkit.images.types import AnyArray

MIN_SIZE = 0.25  # of a typical superpixel; smaller components are merged with a neighbour

Labels = NDArray[np.int32]


def enforce_connectivity(
    labels: AnyArray, mask: NDArray[np.bool_], min_pixels: float, faces: NDArray[np.float64]
) -> Labels:
    """Label each connected component 1 to n in raster order; 0 outside the mask.

    One smaller than `min_pixels` is merged with the neighbour with which it shares the longest
    boundary, measured by `faces`: the area between two pixels along each axis.
    """
    components = _label(np.where(mask, labels, 0))
    while True:
        sizes = np.bincount(components.ravel())
        small, neighbour = _longest_boundaries(components, sizes < min_pixels, faces)
        if not small.size:
            return _label(components)
        count = len(sizes)
        graph = coo_array((np.ones(len(small), bool), (small, neighbour)), shape=(count, count))
        merged = connected_components(graph, directed=False)[1].astype(np.int32) + 1
        merged[0] = 0
        components = merged[components]


def _label(labels: AnyArray) -> Labels:
    components: AnyArray = measure.label(labels, connectivity=1)  # type: ignore[no-untyped-call]
    return components.astype(np.int32)


def _longest_boundaries(
    components: Labels, small: NDArray[np.bool_], faces: NDArray[np.float64]
) -> tuple[AnyArray, AnyArray]:
    """Small components that have neighbours, and the neighbour of each."""
    count, keys, areas = len(small), [], []
    for axis, face in enumerate(faces):
        first_axis = np.moveaxis(components, axis, 0)
        one, other = first_axis[:-1], first_axis[1:]
        touching = (one != other) & (one > 0) & (other > 0)
        one, other = one[touching].astype(np.int64), other[touching].astype(np.int64)
        keys += [(a * count + b)[small[a]] for a, b in ((one, other), (other, one))]
        areas += [np.full(len(found), face) for found in keys[-2:]]
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    boundary = np.bincount(index, np.concatenate(areas))
    one, other = pairs // count, pairs % count
    order = np.lexsort((boundary, one))
    one, other = one[order], other[order]
    last = np.append(one[1:] != one[:-1], True)[: len(one)]
    return one[last], other[last]
