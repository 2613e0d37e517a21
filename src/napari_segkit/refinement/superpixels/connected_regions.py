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
    components = _label(labels if mask.all() else np.where(mask, labels, 0))
    sizes = np.bincount(components.ravel())
    small = sizes < min_pixels
    small[0] = False
    if not small.any():
        return components
    one, other, areas = _boundaries(components, small, faces)
    merged = np.arange(len(sizes), dtype=np.int32)
    while True:
        small = np.bincount(merged, sizes) < min_pixels
        pairs = _longest_boundaries(merged[one], merged[other], areas, small)
        if not pairs[0].size:
            return merged[components]
        graph = coo_array((np.ones(len(pairs[0]), bool), pairs), shape=(len(small), len(small)))
        merged = connected_components(graph, directed=False)[1][merged]  # keeps the raster order


def _label(labels: AnyArray) -> Labels:
    components: AnyArray = measure.label(labels, connectivity=1)  # type: ignore[no-untyped-call]
    return components.astype(np.int32, copy=False)


def _boundaries(
    components: Labels, small: NDArray[np.bool_], faces: NDArray[np.float64]
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Small components, a neighbour of each, and the area that they share."""
    padded = np.pad(components, 1)
    flat, steps = padded.ravel(), np.array(padded.strides) // padded.itemsize
    pixels = np.flatnonzero(small.take(flat))
    one = np.tile(flat[pixels], 2 * len(faces))
    other = np.concatenate([flat[pixels + step] for step in (*steps, *-steps)])
    areas = np.repeat(np.tile(faces, 2), len(pixels))
    touching = np.flatnonzero((other > 0) & (other != one))  # quicker to pick than truth values
    return _sum_pairs(one[touching], other[touching], areas[touching], len(small))


def _sum_pairs(
    one: AnyArray, other: AnyArray, areas: AnyArray, count: int
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Each pair of components once, sorted, with the sum of its areas."""
    shared = coo_array((areas, (one, other)), shape=(count, count)).tocsr()
    return np.repeat(np.arange(count), np.diff(shared.indptr)), shared.indices, shared.data


def _longest_boundaries(
    one: AnyArray, other: AnyArray, areas: AnyArray, small: NDArray[np.bool_]
) -> tuple[AnyArray, AnyArray]:
    """Small components that have neighbours, and the neighbour of each."""
    apart = small[one] & (one != other)
    one, other, areas = _sum_pairs(one[apart], other[apart], areas[apart], len(small))
    order = np.lexsort((areas, one))
    one, other = one[order], other[order]
    last = np.append(one[1:] != one[:-1], True)[: len(one)]
    return one[last], other[last]
