"""Whether labels end where the image has edges, as masks do and strokes do not."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_segkit.images.types import AnyArray

NEAR = 3  # pixels around the edge of labels with which it is compared
SIGMA = 1.0  # of the Gaussian that takes the noise off
OWN_PART = 0.2  # of all edge pixels that a value needs to be looked at

Floats = NDArray[np.float64]
Edges = NDArray[np.float64]  # sums of image differences across and near an edge, edge pixels
Mask = NDArray[np.bool_]


def plane_edges(image: AnyArray, labels: AnyArray) -> dict[int, Edges]:
    """What lies at the edge between each label value and 0, and near it, of one plane.

    `image` is (C, Y, X), `labels` (Y, X). Sums of several planes add up.
    """
    found: dict[int, Edges] = {}
    smooth = _smoothed(image)
    for axis in (0, 1):
        steps = np.abs(np.diff(smooth, axis=axis + 1)).mean(axis=0)
        values = _values_at_edges(labels, axis)
        for value in np.unique(values[values != 0]).tolist():
            edge = values == value
            around = _around(edge) & (values == 0)
            if around.any():
                count = int(edge.sum())
                own = [count * steps[edge].mean(), count * steps[around].mean(), count]
                found[value] = found.get(value, 0) + np.array(own)
    return found


def edge_contrast(edges: dict[int, Edges]) -> float | None:
    """How much more the image changes at the edge of labels than near it; None without an edge.

    About 1 for strokes, 1.25 or more for masks: the lowest of the values with a fifth of the edge
    pixels, because strokes that nearly fill their objects end at edges, too, but those of the
    background do not.
    """
    total = sum(pixels for _, _, pixels in edges.values())
    ratios = [a / b for a, b, pixels in edges.values() if b > 0 and pixels >= OWN_PART * total]
    if ratios:
        return float(min(ratios))
    across, near = (sum(sums[n] for sums in edges.values()) for n in (0, 1))
    return float(across / near) if near else None


def planes(image: AnyArray, labels: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
    """The planes of an image (C, *spatial) with labels, and their labels."""
    flat = image.reshape(image.shape[0], -1, *image.shape[-2:])
    each = labels.reshape(-1, *labels.shape[-2:])
    yield from ((flat[:, n], plane) for n, plane in enumerate(each) if plane.any())


def _values_at_edges(labels: AnyArray, axis: int) -> AnyArray:
    """Between neighbours of which one is 0: the other one; elsewhere 0."""
    along = np.moveaxis(labels, axis, 0)
    before, after = along[:-1], along[1:]
    is_edge = (before == 0) != (after == 0)
    return np.moveaxis(np.where(is_edge, np.maximum(before, after), 0), 0, axis)


def _smoothed(image: AnyArray) -> Floats:
    from scipy import ndimage

    pixels = np.nan_to_num(image.astype(np.float64), posinf=0, neginf=0)
    return np.asarray(ndimage.gaussian_filter(pixels, (0, SIGMA, SIGMA)), np.float64)


def _around(edge: Mask) -> Mask:
    """What is near an edge, without it and its neighbours, which its blur reaches."""
    from scipy import ndimage

    reach = ndimage.distance_transform_cdt(~edge, "chessboard")
    return np.asarray((reach > 1) & (reach <= 1 + NEAR))
