"""Labels layers that this plugin makes: to paint on, and to show results."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_segkit.data.classes import LabelClass
from napari_segkit.data.images import as_image

from .proxies import unwrapped
from .snapshots import Snapshot, placement, without_channels

OTHER_COLOR = "#bbbbbb"  # values that are no class of the model


def set_classes(layer: Any, classes: Sequence[LabelClass]) -> None:
    """Give a Labels layer the names and colours of classes.

    Parameters
    ----------
    layer : napari.layers.Labels
        Names go to its `features`, columns "index" and "name". 0 stays transparent.
    classes : sequence of LabelClass
        One for each label value.
    """
    names = [(c.value, c.name) for c in classes]
    layer.features = pd.DataFrame(names, columns=["index", "name"])
    colors: dict[int | None, str] = {c.value: c.color for c in classes}
    colors |= {None: OTHER_COLOR, 0: "transparent"}
    layer.colormap = DirectLabelColormap(color_dict=colors)


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
    name: str | None = None,
    axes: str | None = None,
    kind: str = "prediction",
) -> Any:
    """Show a result: in the layer of the last such result, or in a new one.

    The old layer is left alone, and a new one added, where a person has painted on it since.

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
    name : str, optional
        Name of a new layer. None: the source's name and the kind.
    axes : str, optional
        What each dimension of the source's data is. None: as `labels` and the source suggest.
    kind : str
        Results of different kinds, of one source, stand in different layers.

    Returns
    -------
    napari.layers.Labels
        The layer that shows it.
    """
    viewer = unwrapped(viewer)
    axes = axes or as_image(source, labels_shape=labels.shape).axes
    where = placement(source, without_channels(source, axes))
    layer = _last_result(viewer, source, kind, labels.ndim)
    if layer is None:
        name = name or f"{source.name} {kind}"
        layer = viewer.add_labels(labels, name=name, **where)
    else:
        _replace(layer, labels, where)
    set_classes(layer, classes)
    layer.metadata["segkit"] = {
        **provenance,
        "source": source.unique_id,
        "kind": kind,
        "fingerprint": fingerprint(labels),
    }
    return layer


def fingerprint(labels: Any) -> str:
    """A short text that changes when a pixel does."""
    pixels = np.ascontiguousarray(labels)
    return f"{pixels.dtype} {pixels.shape} {zlib.crc32(pixels.data):08x}"


def _last_result(viewer: Any, source: Snapshot, kind: str, ndim: int) -> Any:
    """The newest layer with this source's result on which nobody has painted."""
    for layer in reversed(viewer.layers):
        made = layer.metadata.get("segkit", {})
        ours = (made.get("source"), made.get("kind")) == (source.unique_id, kind)
        if ours and layer.ndim == ndim and made["fingerprint"] == fingerprint(layer.data):
            return layer
    return None


def _replace(layer: Any, labels: NDArray[Any], where: dict[str, Any]) -> None:
    layer.data = labels
    before = placement(layer)
    for name, value in where.items():
        if not _same(before[name], value):
            setattr(layer, name, value)
    layer.editable = False  # clears the undo history: it holds pixels of the old array
    layer.editable = True


def _same(one: Any, other: Any) -> bool:
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
