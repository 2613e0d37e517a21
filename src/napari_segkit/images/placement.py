"""Where the pixels of a layer lie in the world, composed as in napari."""

import numpy as np
from numpy.typing import ArrayLike

from .types import AnyArray, LayerOptions, PlacedLayer


def world_matrix(layer: PlacedLayer) -> AnyArray:
    """Homogeneous matrix from the indices of a layer to where they lie in the world.

    An oblique volume is shown along its voxel grid and keeps its place in its NIfTI header: the
    header's affine counts, followed by what a person has moved.
    """
    options = placement_of(layer)
    options["axis_labels"] = getattr(layer, "axis_labels", ())
    options["metadata"] = layer.metadata
    return options_to_world(options, layer.ndim)


def options_to_world(options: LayerOptions, ndim: int) -> AnyArray:
    """`world_matrix` of a layer with these options."""
    shown = data_to_world(options, ndim)
    header = options.get("metadata", {}).get("nifti")
    tilt = getattr(header, "shown_to_world", None)
    if tilt is None:  # no header, or another plugin's
        return shown
    return np.asarray(tilt(options.get("axis_labels") or (), ndim) @ shown)


def data_to_world(placement: LayerOptions, ndim: int) -> AnyArray:
    """Homogeneous matrix from the indices of a layer to where they are shown."""
    inner = np.eye(ndim + 1)
    linear = placement.get("rotate", np.eye(ndim)) @ shear_matrix(placement.get("shear", 0.0), ndim)
    inner[:-1, :-1] = linear * np.asarray(placement.get("scale", 1.0))
    inner[:-1, -1] = placement.get("translate", 0.0)
    return np.asarray(placement.get("affine", np.eye(ndim + 1)) @ inner)


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
