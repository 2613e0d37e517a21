"""Classes of a Labels layer, as a person edits them."""

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.data.classes import LabelClass, classes_of

from .layers import set_classes

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels


def read_classes(layer: "Labels", values: Iterable[int] = ()) -> tuple[LabelClass, ...]:
    """Classes named on a layer and those painted on it, with the colours that are on screen.

    Parameters
    ----------
    layer : Labels
        The labels.
    values : iterable of int
        Values known to be painted.

    Returns
    -------
    tuple of LabelClass
        In the order of their values.
    """
    wanted = sorted({*map(int, values), *_named(layer.features)})
    return tuple(
        LabelClass(c.value, c.name, _on_screen(layer, c)) for c in classes_of(layer, wanted)
    )


def write_classes(layer: "Labels", classes: Iterable[LabelClass]) -> None:
    """Put names and colours on a layer; other columns of its features stay.

    Parameters
    ----------
    layer : Labels
        The labels.
    classes : iterable of LabelClass
        All its classes.
    """
    others = _by_value(layer.features).drop(columns="name", errors="ignore")
    set_classes(layer, tuple(classes))
    layer.features = layer.features.join(others, on="index")


def free_value(classes: Iterable[LabelClass], unlabelled: int | None) -> int:
    """The lowest value from 1 that no class has and that does not mean unlabelled."""
    used = {unlabelled, *(c.value for c in classes)}
    return next(value for value in count(1) if value not in used)


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
