"""Classes of a Labels layer: names, colours and free values."""

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.classes import LabelClass, classes_of

from .result_layers import COLORED_UP_TO, custom_colors, set_class_colors, set_class_names

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels

PINNED_AT_MOST = 50  # layers with more values keep napari's colours


def read_classes(
    layer: "Labels",
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
    layer: "Labels",
    classes: Iterable[LabelClass],
    *,
    forget: Iterable[int] = (),
    unlabelled: int | None = None,
) -> None:
    """Name the classes on a layer, remove the names of `forget`, and pin the colours."""
    classes = tuple(classes)
    set_class_names(layer, classes, forget)
    pin_colors(layer, classes, unlabelled)


def pin_colors(
    layer: "Labels", classes: Iterable[LabelClass], unlabelled: int | None = None
) -> None:
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


def free_value(layer: "Labels", classes: Iterable[LabelClass], unlabelled: int | None) -> int:
    """The lowest value from 1 that is no class, not painted and not `unlabelled`."""
    used = {unlabelled, *(c.value for c in classes), *(_painted_values(layer) or ())}
    return next(value for value in count(1) if value not in used)


def can_erase(layer: "Labels") -> bool:
    """Whether the pixels are in memory and editable."""
    return isinstance(layer.data, np.ndarray) and layer.editable


def erase(layer: "Labels", value: int, fill: int) -> None:
    """Replace a value by `fill` everywhere, in memory; undo restores it."""
    mask = layer.data == value
    box = _bounds(mask)
    before = layer.data[box].copy()
    after = before.copy()
    after[mask[box]] = fill
    layer._save_history((box, before, after))  # the public way is slow and needs GiBs
    layer.data[box] = after
    layer.refresh()


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around the True pixels."""
    axes = range(mask.ndim)
    sides = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != i))) for i in axes]
    return tuple(slice(int(s[0]), int(s[-1]) + 1) if s.size else slice(0, 0) for s in sides)


def _has_only(layer: "Labels", values: set[int | None]) -> bool:
    painted = _painted_values(layer)
    return painted is not None and painted <= values


def _painted_values(layer: "Labels") -> set[int] | None:
    """Painted values, those above `COLORED_UP_TO` as one value; None if not in memory."""
    if not isinstance(layer.data, np.ndarray):
        return None
    present = np.zeros(COLORED_UP_TO + 2, bool)
    for slab in slabs(layer.data) if layer.data.size else ():
        present[np.clip(layer.data[slab], 0, COLORED_UP_TO + 1)] = True
    return set(np.flatnonzero(present).tolist())


def _by_value(features: "pd.DataFrame") -> "pd.DataFrame":
    """Features indexed by label value: by the column "index", or else by row."""
    return features.set_index("index") if "index" in features else features


def _named_values(features: "pd.DataFrame") -> list[int]:
    if "name" not in features:
        return []
    return [int(v) for v, n in _by_value(features)["name"].items() if isinstance(n, str) and n]


def _displayed_color(layer: "Labels", label_class: LabelClass) -> str:
    color = layer.get_color(label_class.value)
    if label_class.value == 0 or color is None or color[3] == 0:
        return label_class.color
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in np.asarray(color)[:3])
