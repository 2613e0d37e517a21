"""Immutable copies of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from napari.layers import Layer, Shapes

from napari_segkit.images.levels import factors_of, require_level
from napari_segkit.images.placement import shear_matrix
from napari_segkit.images.types import AnyArray
from napari_segkit.io.nifti.header import NiftiHeader

from .unwrap_proxy import unwrapped


@dataclass(frozen=True)
class Snapshot:
    """Immutable copy of a layer's data and transform, safe to read in a worker thread."""

    data: Any  # None: left out
    name: str
    ndim: int  # as napari counts: without the channels of RGB
    scale: AnyArray
    translate: AnyArray
    rotate: AnyArray
    shear: AnyArray
    affine: AnyArray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    multiscale: bool
    rgb: bool
    metadata: dict[str, Any]
    features: Any  # None but for Labels
    colormap: object
    unique_id: str  # of the layer, whatever its name
    source: Any  # napari's record of the file it was opened from
    level: int = 0  # of a multiscale layer, that these are the pixels and the place of


def snapshot(layer: "Layer | Snapshot", *, pixels: bool = True) -> Snapshot:
    """Copy a layer for a worker thread: pixels of Labels are copied, images share theirs."""
    layer = unwrapped(layer)
    if isinstance(layer, Snapshot):
        return layer
    is_labels = hasattr(layer, "selected_label")
    copied = pixels and is_labels and isinstance(layer.data, np.ndarray)
    return Snapshot(
        data=layer.data.copy() if copied else layer.data if pixels else None,
        ndim=layer.ndim,
        multiscale=layer.multiscale,
        rgb=bool(getattr(layer, "rgb", False)),
        metadata=dict(layer.metadata),
        features=layer.features.copy() if is_labels else None,
        colormap=layer.colormap,
        unique_id=str(layer.unique_id),
        source=layer.source,
        name=layer.name,
        **placement(layer),
    )


def shared_snapshot(layer: Layer) -> Snapshot:
    """As `snapshot`, with the pixels of the layer: a worker calls `with_own_pixels` first."""
    return replace(snapshot(layer, pixels=False), data=unwrapped(layer).data)


def with_own_pixels(layer: Snapshot) -> Snapshot:
    """A snapshot whose pixels nobody paints on; slow if they are many."""
    return replace(layer, data=layer.data.copy()) if isinstance(layer.data, np.ndarray) else layer


def snapshots(image: Layer | Mapping[str, Layer]) -> dict[str, Snapshot]:
    """Copies of a layer, or of the layers that are channels of one image, by their names."""
    if isinstance(image, Mapping):
        return {name: snapshot(layer) for name, layer in image.items()}
    return {image.name: snapshot(image)}


def at_level(layer: Snapshot, level: int) -> Snapshot:
    """One level of a multiscale layer, in its place: its pixels are centred on those they average.

    ValueError if there is no such level.
    """
    require_level(layer, level, layer.name)
    if not level:
        return layer
    factors = factors_of(layer, level)[: layer.ndim]
    shift = layer.rotate @ layer.shear @ (layer.scale * (factors - 1) / 2)
    return replace(
        layer,
        data=layer.data[level],
        multiscale=False,
        level=level,
        scale=layer.scale * factors,
        translate=layer.translate + shift,
        metadata={key: value for key, value in layer.metadata.items() if key != "nifti"},
    )


@dataclass(frozen=True)
class ShapesSnapshot:
    """Immutable copy of a Shapes layer, safe to read in a worker thread."""

    data: list[AnyArray]
    shape_type: list[str]
    name: str
    ndim: int
    metadata: dict[str, Any]
    scale: AnyArray
    translate: AnyArray
    rotate: AnyArray
    shear: AnyArray
    affine: AnyArray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]


def shapes_snapshot(layer: Shapes) -> ShapesSnapshot:
    """Copy a Shapes layer for a worker thread."""
    return ShapesSnapshot(
        data=[np.array(vertices) for vertices in layer.data],
        shape_type=list(layer.shape_type),
        name=layer.name,
        ndim=layer.ndim,
        metadata=dict(layer.metadata),
        **placement(layer),
    )


class Placement(TypedDict):
    """Transform of a layer, as keyword arguments."""

    scale: AnyArray
    translate: AnyArray
    rotate: AnyArray
    shear: AnyArray
    affine: AnyArray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]


def placement(layer: Layer | Snapshot, keep: Sequence[int] | None = None) -> Placement:
    """Transform of a layer as keyword arguments, for the dimensions `keep` (None: all)."""
    layer = unwrapped(layer)
    dims = list(range(layer.ndim) if keep is None else keep)
    square = np.ix_(dims, dims)
    with_offset = np.ix_([*dims, layer.ndim], [*dims, layer.ndim])
    return {
        "scale": np.asarray(layer.scale)[dims],
        "translate": np.asarray(layer.translate)[dims],
        "rotate": np.asarray(layer.rotate)[square],
        "shear": shear_matrix(layer.shear, layer.ndim)[square],
        "affine": np.array(getattr(layer.affine, "affine_matrix", layer.affine))[with_offset],
        "units": tuple(layer.units[i] for i in dims),
        "axis_labels": tuple(layer.axis_labels[i] for i in dims),
    }


def header_of(layer: Layer | Snapshot) -> NiftiHeader | None:
    """The NIfTI header that a layer keeps, if it has one."""
    header = layer.metadata.get("nifti")
    return header if isinstance(header, NiftiHeader) else None  # other plugins use this key, too


def header_metadata(layer: Layer | Snapshot) -> dict[str, Any]:
    """Metadata of a new layer in the place of another one, so that it is saved there."""
    return {"nifti": layer.metadata["nifti"]} if "nifti" in layer.metadata else {}


def without_channels(layer: Layer | Snapshot, axes: str) -> list[int]:
    """The dimensions of an image layer but C, which it lacks in RGB and if it is one channel."""
    own = axes if layer.ndim == len(axes) else axes.replace("C", "")
    return [i for i, axis in enumerate(own[: layer.ndim]) if axis != "C"]
