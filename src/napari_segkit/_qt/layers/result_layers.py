"""Labels layers for painting and for results."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata

from .snapshots import Snapshot, placement, without_channels
from .unwrap_proxy import unwrapped

OTHER_COLOR = "#bbbbbb"  # values that are no class
COLORED_UP_TO = 2**16  # above, napari needs numba to colour single values


def set_class_names(layer: Any, classes: Iterable[LabelClass], forget: Iterable[int] = ()) -> None:
    """Name label values in a layer's features, remove the rows of `forget`, and keep all else."""
    names = {c.value: c.name for c in classes}
    table = layer.features
    values = table.get("index", table.index).tolist()
    added = sorted(names.keys() - set(values))
    table = table.reset_index(drop=True).reindex(range(len(values) + len(added)))
    table["index"] = values = [*values, *added]
    column = "name" if "name" in table else "class"
    before = table[column].tolist() if column in table else [None] * len(values)
    column_names = [names.get(v, name) for v, name in zip(values, before, strict=True)]
    table["name"] = pd.Series(column_names, dtype=object)
    remaining = ~table["index"].isin(list(forget))
    layer.features = table[remaining].reset_index(drop=True)


def set_class_colors(layer: Any, classes: Iterable[LabelClass]) -> None:
    """Colour label values; custom colours of other values stay, the rest become grey."""
    colors: dict[int | None, Any] = {None: OTHER_COLOR, 0: "transparent"}
    colors |= custom_colors(layer) | {c.value: c.color for c in classes if c.value != 0}
    values = [value for value in colors if value is not None]
    value_range = max(map(abs, values)) * (2 if min(values) < 0 else 1)
    if value_range <= COLORED_UP_TO:
        layer.colormap = DirectLabelColormap(color_dict=colors)


def custom_colors(layer: Any) -> dict[int | None, Any]:
    """Individually chosen colours of a layer's label values."""
    return dict(getattr(layer.colormap, "color_dict", {}))


def new_labels(viewer: Any, image: Any, axes: str | None = None) -> Any:
    """Add an empty uint8 Labels layer with the transforms and dimensions of an image, without C."""
    image = unwrapped(image)
    axes_image = as_image(image, axes)
    empty = np.zeros(axes_image.label_shape, np.uint8)
    transform = placement(image, without_channels(image, axes_image.axes))
    return unwrapped(viewer).add_labels(empty, name=f"{image.name} labels", **transform)


def write_labels(
    viewer: Any,
    source: Snapshot,
    labels: NDArray[Any],
    *,
    classes: Sequence[LabelClass],
    provenance: Mapping[str, Any],
    axes: str,
    name: str | None = None,
    kind: str = "prediction",
    table: pd.DataFrame | None = None,
) -> Any:
    """Show a result in the layer of the last such result, or in a new layer.

    A layer that was painted on or renamed since is left alone. An updated layer keeps its mode,
    and its colours and names of unchanged classes. Results of different `kind` get different
    layers. `labels` have the source's dimensions without C and become the layer's own array;
    `axes` are those of the source's data; `table` has a row per object with a column "index", and
    becomes the features of a layer with napari's colours.
    """
    viewer = unwrapped(viewer)
    transform = placement(source, without_channels(source, axes))
    layer = _last_result(viewer, source, kind, labels.ndim)
    if layer is None:
        name = name or f"{source.name} {kind}"
        metadata = LayerMetadata(kind).as_metadata()  # the docks read it when the layer is added
        layer = viewer.add_labels(labels, name=name, metadata=metadata, **transform)
    else:
        _replace_data(layer, labels, transform)
    if table is None:
        _show_classes(layer, classes)
    else:
        layer.features = table.copy()  # may be edited in napari's table
    if "nifti" in source.metadata:  # for saving with the same affine
        layer.metadata["nifti"] = source.metadata["nifti"]
    LayerMetadata(
        kind,
        source.unique_id,
        layer_identity(layer),
        tuple(classes),
        fingerprint(labels),
        provenance,
    ).store(layer)
    return layer


def fingerprint(labels: Any) -> str:
    """A short text that changes with any pixel."""
    checksum = 0
    for slab in slabs(labels) if labels.size else ():
        checksum = zlib.crc32(np.ascontiguousarray(labels[slab]).data, checksum)
    return f"{labels.dtype} {labels.shape} {checksum:08x}"


def _last_result(viewer: Any, source: Snapshot, kind: str, ndim: int) -> Any:
    """The newest layer with a result of this source that was not painted on, copied or renamed."""
    for layer in reversed(viewer.layers):
        metadata = LayerMetadata.of(layer)
        matches = (metadata.source, metadata.kind) == (source.unique_id, kind)
        matches = matches and metadata.layer == layer_identity(layer)
        matches = matches and layer.ndim == ndim
        if matches and metadata.fingerprint == fingerprint(layer.data):
            return layer
    return None


def layer_identity(layer: Any) -> tuple[str, str]:
    """What a duplicated or renamed layer does not share."""
    return str(layer.unique_id), layer.name


def _show_classes(layer: Any, classes: Sequence[LabelClass]) -> None:
    """Write only the classes that differ from those written last; the rest may have been edited."""
    shown = {c.value: c for c in LayerMetadata.of(layer).classes}
    changed = [c for c in classes if shown.pop(c.value, None) != c]
    if changed or shown:
        set_class_names(layer, changed, forget=shown)
        set_class_colors(layer, changed)


def _replace_data(layer: Any, labels: NDArray[Any], transform: dict[str, Any]) -> None:
    mode = layer.mode
    layer.data = labels
    before = placement(layer)
    for name, value in transform.items():
        if not _equal(before[name], value):
            setattr(layer, name, value)
    layer.editable = False  # clears the undo history, which holds pixels of the old array
    layer.editable = True
    layer.mode = mode


def _equal(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
