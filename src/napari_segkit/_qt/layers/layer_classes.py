"""Classes of a Labels layer: names, colours and free values."""

from collections.abc import Iterable
from itertools import count
from typing import TypeAlias

import numpy as np
import pandas as pd
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.classes import COLORED_UP_TO, OTHER_COLOR, LabelClass, classes_of
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.images.types import AnyArray

Color: TypeAlias = str | NDArray[np.floating]
PINNED_AT_MOST = 50  # layers with more values keep napari's colours


def read_classes(
    layer: Labels,
    values: Iterable[int] = (),
    *,
    without: int | None = None,
    at_most: int | None = None,
) -> tuple[LabelClass, ...]:
    """Classes named on a layer and of the given label values, with their displayed colours.

    Sorted by value, without the value `without`, the first `at_most`.
    """
    all_values = sorted({*map(int, values), *_named_values(layer.features)} - {without})[:at_most]
    return tuple(
        LabelClass(c.value, c.name, _displayed_color(layer, c))
        for c in classes_of(layer, all_values)
    )


def write_classes(
    layer: Labels,
    classes: Iterable[LabelClass],
    *,
    forget: Iterable[int] = (),
    unlabelled: int | None = None,
) -> None:
    """Name the classes on a layer, remove the names of `forget`, and pin the colours."""
    classes = tuple(classes)
    set_class_names(layer, classes, forget)
    pin_colors(layer, classes, unlabelled)


def set_class_names(
    layer: Labels, classes: Iterable[LabelClass], forget: Iterable[int] = ()
) -> None:
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


def set_class_colors(layer: Labels, classes: Iterable[LabelClass]) -> None:
    """Colour label values; custom colours of other values stay, the rest become grey."""
    colors: dict[int | None, Color] = {None: OTHER_COLOR, 0: "transparent"}
    colors |= custom_colors(layer) | {c.value: c.color for c in classes if c.value != 0}
    values = [value for value in colors if value is not None]
    value_range = max(map(abs, values)) * (2 if min(values) < 0 else 1)
    if value_range <= COLORED_UP_TO:
        layer.colormap = DirectLabelColormap(color_dict=colors)


def custom_colors(layer: Labels) -> dict[int | None, Color]:
    """Individually chosen colours of a layer's label values."""
    return dict(getattr(layer.colormap, "color_dict", {}))


def show_classes(layer: Labels, classes: Iterable[LabelClass]) -> None:
    """Write only the classes that differ from those written last; the rest may have been edited."""
    shown = {c.value: c for c in LayerMetadata.of(layer).classes}
    changed = [c for c in classes if shown.pop(c.value, None) != c]
    if changed or shown:
        set_class_names(layer, changed, forget=shown)
        set_class_colors(layer, changed)


def pin_colors(layer: Labels, classes: Iterable[LabelClass], unlabelled: int | None = None) -> None:
    """Set missing class colours, unless there are many classes or that would grey out other values.

    `classes` are all known classes of the layer; `unlabelled` may be painted and is no class.
    """
    colors = custom_colors(layer)
    classes = tuple(classes)
    missing = [c for c in classes if c.value not in colors]
    if not missing or len(classes) > PINNED_AT_MOST:
        return
    if colors or _has_only(layer, {0, unlabelled, *(c.value for c in classes)}):
        set_class_colors(layer, missing)


def free_value(layer: Labels, classes: Iterable[LabelClass], unlabelled: int | None) -> int:
    """The lowest value from 1 that is no class, not painted and not `unlabelled`."""
    used = {unlabelled, *(c.value for c in classes), *(_painted_values(layer) or ())}
    return next(value for value in count(1) if value not in used)


def can_erase(layer: Labels) -> bool:
    """Whether the pixels are in memory and editable."""
    return isinstance(layer.data, np.ndarray) and layer.editable


def erase(layer: Labels, value: int, fill: int) -> None:
    """Replace a value by `fill` everywhere, in memory; undo restores it."""
    mask = layer.data == value
    box = bounds(mask)
    replace_pixels(layer, box, np.where(mask[box], layer.data.dtype.type(fill), layer.data[box]))


def replace_pixels(layer: Labels, box: tuple[int | slice, ...], pixels: AnyArray) -> None:
    """Replace the pixels of a region, in memory; undo restores them."""
    before = layer.data[box].copy()
    layer._save_history((box, before, pixels))  # the public way is slow and needs GiBs
    layer.data[box] = pixels
    layer.refresh()


def bounds(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around the True pixels."""
    axes = range(mask.ndim)
    sides = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != i))) for i in axes]
    return tuple(slice(int(s[0]), int(s[-1]) + 1) if s.size else slice(0, 0) for s in sides)


def _has_only(layer: Labels, values: set[int | None]) -> bool:
    painted = _painted_values(layer)
    return painted is not None and painted <= values


def _painted_values(layer: Labels) -> set[int] | None:
    """Painted values, those above `COLORED_UP_TO` as one value; None if not in memory."""
    if not isinstance(layer.data, np.ndarray):
        return None
    present = np.zeros(COLORED_UP_TO + 2, bool)
    for slab in slabs(layer.data) if layer.data.size else ():
        present[np.clip(layer.data[slab], 0, COLORED_UP_TO + 1)] = True
    return set(np.flatnonzero(present).tolist())


def _by_value(features: pd.DataFrame) -> pd.DataFrame:
    """Features indexed by label value: by the column "index", or else by row."""
    return features.set_index("index") if "index" in features else features


def _named_values(features: pd.DataFrame) -> list[int]:
    if "name" not in features:
        return []
    return [int(v) for v, n in _by_value(features)["name"].items() if isinstance(n, str) and n]


def _displayed_color(layer: Labels, label_class: LabelClass) -> str:
    color = layer.get_color(label_class.value)
    if label_class.value == 0 or color is None or color[3] == 0:
        return label_class.color
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in np.asarray(color)[:3])
