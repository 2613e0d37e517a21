"""Classes of a Labels layer, as a person edits them."""

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_segkit.evaluation.slab_reader import slabs
from napari_segkit.images.classes import LabelClass, classes_of

from .result_layers import COLORED_UP_TO, chosen_colors, set_colors, set_names

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels

PINNED_AT_MOST = 50  # more values than a person paints: the layer keeps its own colours


def read_classes(
    layer: "Labels",
    values: Iterable[int] = (),
    *,
    without: int | None = None,
    at_most: int | None = None,
) -> tuple[LabelClass, ...]:
    """Classes named on a layer and those painted on it, with the colours that are on screen.

    Parameters
    ----------
    layer : Labels
        The labels.
    values : iterable of int
        Values known to be painted.
    without : int, optional
        A value to leave out.
    at_most : int, optional
        How many to read. None: all.

    Returns
    -------
    tuple of LabelClass
        In the order of their values.
    """
    wanted = sorted({*map(int, values), *_named(layer.features)} - {without})[:at_most]
    return tuple(
        LabelClass(c.value, c.name, _on_screen(layer, c)) for c in classes_of(layer, wanted)
    )


def write_classes(
    layer: "Labels",
    classes: Iterable[LabelClass],
    *,
    forget: Iterable[int] = (),
    unlabelled: int | None = None,
) -> None:
    """Put names on a layer, and colours where that greys nothing; all else it knows stays.

    Parameters
    ----------
    layer : Labels
        The labels.
    classes : iterable of LabelClass
        All its classes that are known.
    forget : iterable of int
        Values that are classes no longer.
    unlabelled : int, optional
        A value that may be painted and is no class.
    """
    classes = tuple(classes)
    set_names(layer, classes, forget)
    pin_colors(layer, classes, unlabelled)


def pin_colors(
    layer: "Labels", classes: Iterable[LabelClass], unlabelled: int | None = None
) -> None:
    """Make colours the classes' own, unless other values are painted or there are many classes.

    Parameters
    ----------
    layer : Labels
        Colours that were chosen one by one stay.
    classes : iterable of LabelClass
        All classes of the layer that are known.
    unlabelled : int, optional
        A value that may be painted and is no class.
    """
    own = chosen_colors(layer)
    classes = tuple(classes)
    missing = [c for c in classes if c.value not in own]
    if not missing or len(classes) > PINNED_AT_MOST:
        return
    if own or _only_these(layer, {0, unlabelled, *(c.value for c in classes)}):
        set_colors(layer, missing)


def free_value(layer: "Labels", classes: Iterable[LabelClass], unlabelled: int | None) -> int:
    """The lowest value from 1 that no class has, that is not painted nor means unlabelled."""
    used = {unlabelled, *(c.value for c in classes), *(_painted(layer) or ())}
    return next(value for value in count(1) if value not in used)


def can_erase(layer: "Labels") -> bool:
    """Whether pixels can be changed: those in memory, of one scale."""
    return isinstance(layer.data, np.ndarray) and layer.editable


def erase(layer: "Labels", value: int, fill: int) -> None:
    """Replace a value wherever it is painted now; undo brings it back.

    Parameters
    ----------
    layer : Labels
        Its pixels are in memory.
    value, fill : int
        What is replaced, and by what.
    """
    mask = layer.data == value
    box = _bounds(mask)
    before = layer.data[box].copy()
    after = before.copy()
    after[mask[box]] = fill
    layer._save_history((box, before, after))  # the public way lists each pixel: slow, 2 GiB
    layer.data[box] = after
    layer.refresh()


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box around what is true."""
    axes = range(mask.ndim)
    sides = [np.flatnonzero(mask.any(axis=tuple(a for a in axes if a != i))) for i in axes]
    return tuple(slice(int(s[0]), int(s[-1]) + 1) if s.size else slice(0, 0) for s in sides)


def _only_these(layer: "Labels", values: set[int | None]) -> bool:
    painted = _painted(layer)
    return painted is not None and painted <= values


def _painted(layer: "Labels") -> set[int] | None:
    """The values painted, those above `COLORED_UP_TO` as one; None where not in memory."""
    if not isinstance(layer.data, np.ndarray):
        return None
    seen = np.zeros(COLORED_UP_TO + 2, bool)
    for part in slabs(layer.data) if layer.data.size else ():
        seen[np.clip(layer.data[part], 0, COLORED_UP_TO + 1)] = True
    return set(np.flatnonzero(seen).tolist())


def _by_value(features: "pd.DataFrame") -> "pd.DataFrame":
    """The features by label value: their column "index", or else their rows."""
    return features.set_index("index") if "index" in features else features


def _named(features: "pd.DataFrame") -> list[int]:
    if "name" not in features:
        return []
    return [int(v) for v, n in _by_value(features)["name"].items() if isinstance(n, str) and n]


def _on_screen(layer: "Labels", known: LabelClass) -> str:
    color = layer.get_color(known.value)
    if known.value == 0 or color is None or color[3] == 0:
        return known.color
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in np.asarray(color)[:3])
