"""Where the pixels of a layer lie in the world, composed as in napari."""

import numpy as np
from numpy.typing import ArrayLike

from .types import AnyArray, LayerOptions, PlacedLayer


def data_to_world(placement: LayerOptions, ndim: int) -> AnyArray:
    """Homogeneous matrix from the indices of a layer to the world."""
    inner = np.eye(ndim + 1)
    linear = placement.get("rotate", np.eye(ndim)) @ shear_matrix(placement.get("shear", 0.0), ndim)
    inner[:-1, :-1] = linear * np.asarray(placement.get("scale", 1.0))
    inner[:-1, -1] = placement.get("translate", 0.0)
    return np.asarray(placement.get("affine", np.eye(ndim + 1)) @ inner)


def world_matrix(layer: PlacedLayer) -> AnyArray:
    """Homogeneous matrix from the indices of a layer to where its pixels lie in the world."""
    return data_to_world(placement_of(layer), layer.ndim)


def placement_of(layer: PlacedLayer) -> LayerOptions:
    """The options of a layer, or of a copy of one, that place it in the world."""
    return {
        "scale": layer.scale,
        "translate": layer.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": getattr(layer.affine, "affine_matrix", layer.affine),
    }


def shear_matrix(shear: ArrayLike, ndim: int) -> AnyArray:
    """Shear matrix, also from napari's list of its entries above the diagonal."""
    entries = np.asarray(shear, float)
    if entries.ndim == 2:
        return entries
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = entries
    return matrix
