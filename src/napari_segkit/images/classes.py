"""Classes as a person knows them: a value, a name, a colour."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .axes_image import is_layer

PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7",
    "#9c755f", "#8cd17d", "#d37295", "#499894",
)  # fmt: skip


@dataclass(frozen=True)
class LabelClass:
    """One class of a model.

    Parameters
    ----------
    value : int
        The label value that means it.
    name : str
        What a person calls it.
    color : str
        How it is drawn, "#rrggbb".
    """

    value: int
    name: str
    color: str


def classes_of(labels: Any, values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Names and colours of label values.

    Parameters
    ----------
    labels : array-like or napari Labels layer, or a list of them
        Layers give names (their features' columns "index" and "name") and colours; where they
        differ, the first counts.
    values : sequence of int
        The label values.

    Returns
    -------
    tuple of LabelClass
        One for each value; "class 3" and a fixed palette where the labels say nothing.
    """
    names: dict[int, str] = {}
    colors: dict[int, str] = {}
    layers = labels if isinstance(labels, list | tuple) else [labels]
    for layer in filter(is_layer, layers):
        names = _names(getattr(layer, "features", None)) | names
        colors = _colors(getattr(layer, "colormap", None)) | colors
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), colors.get(v, default_color(v)))
        for v in map(int, values)
    )


def foreground_classes(values: Sequence[int]) -> tuple[LabelClass, ...]:
    """The classes of objects taken as one: 0 background, 1 object."""
    names = {0: "background", 1: "object"}
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), default_color(v)) for v in map(int, values)
    )


def values_of(
    wanted: Collection[str | int] | str | int, classes: Sequence[LabelClass]
) -> tuple[int, ...]:
    """The label values of chosen classes.

    Parameters
    ----------
    wanted : collection of str or int, or one of them
        Names or values of classes; a name counts before a value that is written alike.
    classes : sequence of LabelClass
        Those there are.

    Returns
    -------
    tuple of int
        In the order in which they were given.

    Raises
    ------
    ValueError
        If there is no such class; the message lists those there are.
    """
    chosen = [wanted] if isinstance(wanted, str | int) else list(wanted)
    known: dict[str | int, int] = {str(c.value): c.value for c in classes}
    known |= {c.value: c.value for c in classes} | {c.name: c.value for c in classes}
    unknown = [c for c in chosen if c not in known]
    if unknown:
        raise ValueError(
            f"There is no class {', '.join(map(repr, unknown))}; choose among "
            f"{', '.join(c.name for c in classes)}."
        )
    return tuple(known[c] for c in chosen)


def default_color(value: int) -> str:
    """The palette's colour of a label value, "#rrggbb"."""
    return PALETTE[(value - 1) % len(PALETTE)]


def _names(features: Any) -> dict[int, str]:
    """Label value -> name, from a features table."""
    if features is None or not len(features):
        return {}
    column = next((c for c in ("name", "class") if c in features), None)
    if column is None:
        return {}
    index = features.get("index", features.index)
    pairs = zip(index, features[column], strict=True)
    return {int(i): n for i, n in pairs if i == i and isinstance(n, str) and n}


def _colors(colormap: Any) -> dict[int, str]:
    """Label value -> colour, where a person chose them one by one."""
    chosen = getattr(colormap, "color_dict", None) or {}
    return {int(v): _hex(c) for v, c in chosen.items() if v is not None and float(c[3]) > 0}


def _hex(rgba: Any) -> str:
    return "#" + "".join(f"{round(float(x) * 255):02x}" for x in rgba[:3])
