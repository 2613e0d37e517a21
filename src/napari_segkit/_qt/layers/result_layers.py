"""Labels layers that this plugin makes: to paint on, and to show results."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass

from .snapshots import Snapshot, placement, without_channels
from .unwrap_proxy import unwrapped

OTHER_COLOR = "#bbbbbb"  # values that are no class of the model
COLORED_UP_TO = 2**16  # napari draws no colours of single values above it without numba


def set_names(layer: Any, classes: Iterable[LabelClass], forget: Iterable[int] = ()) -> None:
    """Name label values in a layer's features; all other rows and columns stay.

    Parameters
    ----------
    layer : napari.layers.Labels
        Its features get a column "index" where their rows meant the values so far.
    classes : iterable of LabelClass
        Values without a row get one.
    forget : iterable of int
        Values whose rows go.
    """
    names = {c.value: c.name for c in classes}
    table = layer.features
    values = table.get("index", table.index).tolist()
    fresh = sorted(names.keys() - set(values))
    table = table.reset_index(drop=True).reindex(range(len(values) + len(fresh)))
    table["index"] = values = [*values, *fresh]
    column = "name" if "name" in table else "class"
    before = table[column].tolist() if column in table else [None] * len(values)
    named = [names.get(v, name) for v, name in zip(values, before, strict=True)]
    table["name"] = pd.Series(named, dtype=object)
    kept = ~table["index"].isin(list(forget))
    layer.features = table[kept].reset_index(drop=True)


def set_colors(layer: Any, classes: Iterable[LabelClass]) -> None:
    """Colour label values; a layer with values too large for napari keeps its own colours.

    Parameters
    ----------
    layer : napari.layers.Labels
        Colours of other values that were chosen one by one stay, the rest become grey.
    classes : iterable of LabelClass
        0 among them keeps its colour, transparent at first.
    """
    colors: dict[int | None, Any] = {None: OTHER_COLOR, 0: "transparent"}
    colors |= chosen_colors(layer) | {c.value: c.color for c in classes if c.value != 0}
    values = [value for value in colors if value is not None]
    reach = max(map(abs, values)) * (2 if min(values) < 0 else 1)
    if reach <= COLORED_UP_TO:
        layer.colormap = DirectLabelColormap(color_dict=colors)


def chosen_colors(layer: Any) -> dict[int | None, Any]:
    """The colours of a layer's label values that were chosen one by one."""
    return dict(getattr(layer.colormap, "color_dict", {}))


def new_labels(viewer: Any, image: Any, axes: str | None = None) -> Any:
    """Add an empty Labels layer that fits an image.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to add it.
    image : napari.layers.Image
        The image to paint on.
    axes : str, optional
        What each dimension of the image is, such as "CYX"; C is left out. None: its own axis
        labels, or by its shape.

    Returns
    -------
    napari.layers.Labels
        uint8, all 0, with the image's transforms.
    """
    image = unwrapped(image)
    known = as_image(image, axes)
    empty = np.zeros(known.without_channels(), np.uint8)
    where = placement(image, without_channels(image, known.axes))
    return unwrapped(viewer).add_labels(empty, name=f"{image.name} labels", **where)


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
    """Show a result: in the layer of the last such result, or in a new one.

    The old layer is left alone, and a new one added, where a person has painted on it or
    renamed it since. Its mode stays, and its colours and names of classes that stay the same.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to show it.
    source : Snapshot
        The image it was made from, as it was when asked; it may have gone since.
    labels : ndarray of int
        The result, with the source's dimensions without C. Becomes the layer's own array.
    classes : sequence of LabelClass
        Names and colours.
    provenance : mapping
        How it was made; kept in ``layer.metadata["segkit"]``.
    axes : str
        What each dimension of the source's data is, as they were taken for the result.
    name : str, optional
        Name of a new layer. None: the source's name and the kind.
    kind : str
        Results of different kinds, of one source, stand in different layers.
    table : DataFrame, optional
        Where the values are numbers of objects: a row for each, with a column "index". It becomes
        the layer's features, and the layer keeps napari's colours.

    Returns
    -------
    napari.layers.Labels
        The layer that shows it.
    """
    viewer = unwrapped(viewer)
    where = placement(source, without_channels(source, axes))
    layer = _last_result(viewer, source, kind, labels.ndim)
    if layer is None:
        name = name or f"{source.name} {kind}"
        known = {"segkit": {"kind": kind}}  # while it is added it is offered to the docks
        layer = viewer.add_labels(labels, name=name, metadata=known, **where)
    else:
        _replace(layer, labels, where)
    if table is None:
        _show_classes(layer, classes)
    else:
        layer.features = table.copy()  # a person may edit it in napari's table
    if "nifti" in source.metadata:  # so that it is saved in the same place
        layer.metadata["nifti"] = source.metadata["nifti"]
    layer.metadata["segkit"] = {
        **provenance,
        "source": source.unique_id,
        "kind": kind,
        "layer": identity(layer),
        "classes": [list(astuple(c)) for c in classes],
        "fingerprint": fingerprint(labels),
    }
    return layer


def fingerprint(labels: Any) -> str:
    """A short text that changes when a pixel does."""
    checksum = 0
    for part in slabs(labels) if labels.size else ():
        checksum = zlib.crc32(np.ascontiguousarray(labels[part]).data, checksum)
    return f"{labels.dtype} {labels.shape} {checksum:08x}"


def _last_result(viewer: Any, source: Snapshot, kind: str, ndim: int) -> Any:
    """The newest layer with this source's result that nobody painted on, copied or renamed."""
    for layer in reversed(viewer.layers):
        made = layer.metadata.get("segkit", {})
        ours = (made.get("source"), made.get("kind")) == (source.unique_id, kind)
        ours = ours and made.get("layer") == identity(layer)
        if ours and layer.ndim == ndim and made["fingerprint"] == fingerprint(layer.data):
            return layer
    return None


def identity(layer: Any) -> list[str]:
    """What a duplicate, or a layer that a person renamed to keep it, does not share."""
    return [str(layer.unique_id), layer.name]


def _show_classes(layer: Any, classes: Sequence[LabelClass]) -> None:
    """Show those classes that differ from what was shown last; a person may have edited it."""
    shown = {c[0]: c for c in layer.metadata.get("segkit", {}).get("classes", ())}
    changed = [c for c in classes if shown.pop(c.value, None) != list(astuple(c))]
    if changed or shown:
        set_names(layer, changed, forget=shown)
        set_colors(layer, changed)


def _replace(layer: Any, labels: NDArray[Any], where: dict[str, Any]) -> None:
    mode = layer.mode
    layer.data = labels
    before = placement(layer)
    for name, value in where.items():
        if not _same(before[name], value):
            setattr(layer, name, value)
    layer.editable = False  # clears the undo history: it holds pixels of the old array
    layer.editable = True
    layer.mode = mode


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
