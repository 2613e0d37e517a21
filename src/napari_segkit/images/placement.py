"""Where the pixels of a layer lie in the world, composed as in napari."""

import numpy as np
from numpy.typing import ArrayLike

from .types import AnyArray, PlacedLayer


def data_to_world(
    ndim: int,
    *,
    scale: ArrayLike = 1.0,
    translate: ArrayLike = 0.0,
    rotate: ArrayLike | None = None,
    shear: ArrayLike = 0.0,
    affine: ArrayLike | None = None,
) -> AnyArray:
    """Homogeneous matrix from the indices of a layer to the world."""
    inner = np.eye(ndim + 1)
    rotation = np.eye(ndim) if rotate is None else np.asarray(rotate)
    inner[:-1, :-1] = rotation @ shear_matrix(shear, ndim) * np.asarray(scale)
    inner[:-1, -1] = translate
    return inner if affine is None else np.asarray(affine) @ inner


def layer_matrix(layer: PlacedLayer) -> AnyArray:
    """As `data_to_world`, of a layer, or of a copy of one."""
    return data_to_world(
        layer.ndim,
        scale=layer.scale,
        translate=layer.translate,
        rotate=layer.rotate,
        shear=layer.shear,
        affine=getattr(layer.affine, "affine_matrix", layer.affine),
    )


def shear_matrix(shear: ArrayLike, ndim: int) -> AnyArray:
    """Shear matrix, also from napari's list of its entries above the diagonal."""
    entries = np.asarray(shear, float)
    if entries.ndim == 2:
        return entries
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = entries
    return matrix
