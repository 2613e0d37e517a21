"""A layer as it was: what it holds and where it stands, for the background and for results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .unwrap_proxy import unwrapped


@dataclass(frozen=True)
class Snapshot:
    """A layer as it was when it was asked for; wherever a layer is read, this will do.

    Parameters
    ----------
    data : array-like or None
        The pixels: of a Labels layer a copy, of an image the layer's own. None: left out.
    name : str
        The layer's name.
    ndim : int
        Dimensions of the layer; an RGB image does not count its channels.
    scale, translate, rotate, shear, affine, units, axis_labels
        Where the layer stands in the world, as napari's layers have them.
    multiscale, rgb : bool
        As napari's layers have them.
    metadata : dict
        A shallow copy of the layer's.
    features : DataFrame or None
        Of a Labels layer a copy, None elsewhere.
    colormap : object
        The layer's own.
    unique_id : str
        Says which layer this was, whatever it is called now.
    """

    data: Any
    name: str
    ndim: int
    scale: NDArray[Any]
    translate: NDArray[Any]
    rotate: NDArray[Any]
    shear: NDArray[Any]
    affine: NDArray[Any]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    multiscale: bool
    rgb: bool
    metadata: dict[str, Any]
    features: Any
    colormap: Any
    unique_id: str


def snapshot(layer: Any, *, pixels: bool = True) -> Snapshot:
    """Freeze a layer for the background: painting on it meanwhile is not seen there.

    Parameters
    ----------
    layer : napari.layers.Image or napari.layers.Labels
        A layer, its proxy, or a snapshot.
    pixels : bool
        Whether its pixels are wanted.

    Returns
    -------
    Snapshot
        The layer as it is now.
    """
    layer = unwrapped(layer)
    if isinstance(layer, Snapshot):
        return layer
    painted = hasattr(layer, "selected_label")
    copied = pixels and painted and isinstance(layer.data, np.ndarray)
    return Snapshot(
        data=layer.data.copy() if copied else layer.data if pixels else None,
        ndim=layer.ndim,
        multiscale=layer.multiscale,
        rgb=bool(getattr(layer, "rgb", False)),
        metadata=dict(layer.metadata),
        features=layer.features.copy() if painted else None,
        colormap=layer.colormap,
        unique_id=str(layer.unique_id),
        name=layer.name,
        **placement(layer),
    )


def placement(layer: Any, keep: Sequence[int] | None = None) -> dict[str, Any]:
    """Where a layer stands in the world, for another layer to stand there too.

    Parameters
    ----------
    layer : napari layer or Snapshot
        The one to follow.
    keep : sequence of int, optional
        Dimensions of the layer that the other one has as well, in order. None: all of them.

    Returns
    -------
    dict
        Keyword arguments for a new layer: `scale`, `translate`, `rotate`, `shear`, `affine`,
        `units` and `axis_labels`.
    """
    layer = unwrapped(layer)
    kept = list(range(layer.ndim) if keep is None else keep)
    square = np.ix_(kept, kept)
    with_offset = np.ix_([*kept, layer.ndim], [*kept, layer.ndim])
    return {
        "scale": np.asarray(layer.scale)[kept],
        "translate": np.asarray(layer.translate)[kept],
        "rotate": np.asarray(layer.rotate)[square],
        "shear": _shear_matrix(layer.shear, layer.ndim)[square],
        "affine": np.array(getattr(layer.affine, "affine_matrix", layer.affine))[with_offset],
        "units": tuple(layer.units[i] for i in kept),
        "axis_labels": tuple(layer.axis_labels[i] for i in kept),
    }


def _shear_matrix(shear: Any, ndim: int) -> NDArray[Any]:
    """Napari tells shear as the numbers above the diagonal."""
    shear = np.asarray(shear, dtype=float)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix


def without_channels(layer: Any, axes: str) -> list[int]:
    """The dimensions of an image layer that its labels have too.

    Parameters
    ----------
    layer : napari layer or Snapshot
        An image.
    axes : str
        What each dimension of its data is, such as "CYX".

    Returns
    -------
    list of int
        All dimensions of the layer but C.
    """
    return [i for i, axis in enumerate(axes[: layer.ndim]) if axis != "C"]
