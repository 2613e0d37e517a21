"""Classes of a model: label value, name and colour."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_segkit.arguments import given

from .types import LayerOptions, LazyArray, is_layer

if TYPE_CHECKING:
    from pandas import DataFrame

PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#ff9da7",
    "#9c755f", "#8cd17d", "#d37295", "#499894",
)  # fmt: skip
MAX_NAMES = 3  # of classes, in a name of several
MAX_NAME = 1000  # letters that a model file keeps
OTHER_COLOR = "#bbbbbb"  # values that are no class
COLORED_UP_TO = 2**16  # above, napari needs numba to colour single values


@dataclass(frozen=True)
class LabelClass:
    """One class of a model.

    Parameters
    ----------
    value : int
        Label value of the class.
    name : str
        Name of the class.
    color : str
        Display colour, "#rrggbb".
    """

    value: int
    name: str
    color: str

    @property
    def is_named(self) -> bool:
        """Whether a person or a file has named it."""
        return self.name != f"class {self.value}"


@dataclass(frozen=True, eq=False)
class ClassProbabilities:
    """Class probabilities that belong to labels.

    Parameters
    ----------
    maps : array-like
        Float, ``(classes, *shape of the labels)``.
    classes : tuple of LabelClass
        In the order of the maps.
    axes : str
        Axes of the labels, such as "ZYX"; "": unknown.
    """

    maps: LazyArray
    classes: tuple[LabelClass, ...]
    axes: str


def classes_of(labels: object, values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Classes of label values, named and coloured like the Labels layer or the first of a list.

    Names come from the columns "index" and "name" of the layer's features. Without a name or
    colour, a class is called "class 3" and takes its colour from the palette.
    """
    names: dict[int, str] = {}
    colors: dict[int, str] = {}
    layers = labels if isinstance(labels, list | tuple) else [labels]
    for layer in filter(is_layer, layers):
        names = class_names(getattr(layer, "features", None)) | names
        colors = _colors(getattr(layer, "colormap", None)) | colors
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), colors.get(v, default_color(v)))
        for v in map(int, values)
    )


def classes_shown(features: "DataFrame | None", colormap: object) -> tuple[LabelClass, ...]:
    """Classes that a layer names or colours one by one, rising."""
    names = feature_column(features, "name")
    named = {value: name for value, name in names.items() if isinstance(name, str) and name}
    colors = _colors(colormap)
    return tuple(
        LabelClass(v, named.get(v, f"class {v}"), colors.get(v, default_color(v)))
        for v in sorted({*named, *colors})
    )


def layer_options(classes: Sequence[LabelClass]) -> LayerOptions:
    """Names and colours of classes, as options of a Labels layer."""
    if not classes:
        return {}
    named = [c for c in classes if c.is_named]
    colors: dict[int | None, str] = {None: OTHER_COLOR, 0: "transparent"}
    colors |= {c.value: c.color for c in classes if 0 < c.value <= COLORED_UP_TO}
    options: LayerOptions = {"colormap": colors}
    if named:
        rows = {"index": [c.value for c in named], "name": [c.name for c in named]}
        options["features"] = rows
    return options


def foreground_classes(values: Sequence[int]) -> tuple[LabelClass, ...]:
    """Classes of instance ids that were merged: 0 is background, 1 is object."""
    names = {0: "background", 1: "object"}
    return tuple(
        LabelClass(v, names.get(v, f"class {v}"), default_color(v)) for v in map(int, values)
    )


def values_of(
    selected: Collection[str | int] | str | int, classes: Sequence[LabelClass]
) -> tuple[int, ...]:
    """Label values of classes given by name or value; a name wins over an equal value."""
    listed = isinstance(selected, Collection) and not isinstance(selected, Mapping)
    listed = listed and getattr(selected, "ndim", 1) == 1
    if isinstance(selected, bool) or not (listed or isinstance(selected, int)):
        raise TypeError(f"The classes are {given(selected)}: give a list of names or values.")
    selected = [selected] if isinstance(selected, str | int) else list(selected)
    values: dict[str | int, int] = {str(c.value): c.value for c in classes}
    values |= {c.value: c.value for c in classes} | {c.name: c.value for c in classes}
    unknown = [c for c in selected if not isinstance(c, str | int) or c not in values]
    if unknown:
        raise ValueError(
            f"There is no class {', '.join(map(given, unknown[:3]))}; choose among "
            f"{', '.join(c.name for c in classes)}."
        )
    return tuple(values[c] for c in selected)


def naming_conflict(sources: Iterable[tuple[str, Sequence[LabelClass]]]) -> str:
    """Say where named sources give a value two names, or a name two values; "" if nowhere."""
    values: dict[str, tuple[int, str]] = {}
    names: dict[int, tuple[str, str]] = {}
    for source, classes in sources:
        for c in (c for c in classes if c.is_named):
            value, first = values.setdefault(c.name, (c.value, source))
            if value != c.value:
                return (
                    f"The class {c.name!r} has the value {value} in {first} and {c.value} in "
                    f"{source}: the values count, not the names."
                )
            name, first = names.setdefault(c.value, (c.name, source))
            if name != c.name:
                return (
                    f"The value {c.value} is {name!r} in {first} and {c.name!r} in {source}: "
                    "the values count, not the names."
                )
    return ""


def joined_names(classes: Sequence[LabelClass]) -> str:
    """The first names, separated by commas."""
    names = [c.name for c in classes]
    return ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")


def default_color(value: int) -> str:
    """Palette colour of a label value, "#rrggbb"."""
    return PALETTE[(value - 1) % len(PALETTE)]


def class_names(features: "DataFrame | None") -> dict[int, str]:
    """Label value to name, from a table of features."""
    has_names = features is not None and "name" in features
    names = feature_column(features, "name" if has_names else "class")
    return {value: name for value, name in names.items() if isinstance(name, str) and name}


def feature_column(features: "DataFrame | None", column: str) -> dict[int, object]:
    """Label value to entry of a column of the features; empty without that column."""
    if features is None or column not in features:
        return {}
    from pandas import isna

    index = features.get("index", features.index)
    pairs = zip(index, features[column], strict=True)
    return {int(i): entry for i, entry in pairs if not isna(i) and not isna(entry)}


def _colors(colormap: object) -> dict[int, str]:
    """Label value to colour, from a colormap that lists visible colours one by one."""
    color_dict = getattr(colormap, "color_dict", None) or {}
    return {int(v): _hex(c) for v, c in color_dict.items() if v is not None and float(c[3]) > 0}


def _hex(rgba: Sequence[float]) -> str:
    return "#" + "".join(f"{round(float(x) * 255):02x}" for x in rgba[:3])
