"""What is plotted of a table of measurements."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series
from pandas.api.types import is_numeric_dtype

T, Z, LAYERS, ROWS = "T", "Z", "layers", "histogram"
COLUMN_OF = {T: "T", Z: "Z", LAYERS: "image"}
MAX_CURVES = 100
NOT_PLOTTED = ("T", "Z", "class", "index", *(f"{a}{end}" for a in "zyx" for end in (0, 1)))


@dataclass(frozen=True, eq=False)
class Curve:
    """Values of a class or an object along an axis, and their rows in the table."""

    name: str
    color: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    rows: NDArray[np.intp]


def plotted_columns(table: DataFrame) -> list[str]:
    """Columns that can be plotted: numbers that measure something, the sizes first."""
    columns = [c for c in table if is_numeric_dtype(table[c]) and c not in NOT_PLOTTED]
    return sorted(columns, key=lambda c: c not in ("area", "volume"))


def axes_of(table: DataFrame) -> list[str]:
    """Axes along which the table has several values, and the histogram of all."""
    several = [a for a, c in COLUMN_OF.items() if c in table and table[c].nunique() > 1]
    return [*several, ROWS]


def curves_of(
    table: DataFrame, axis: str, column: str, like: int, color: Callable[[int], str]
) -> list[Curve]:
    """A curve for each class or object along an axis, at the other places of the row `like`.

    Of many objects the largest; `color` is that of a row.
    """
    key = "index" if "index" in table else "class"
    others = [c for a, c in COLUMN_OF.items() if a != axis and c in table]
    chosen = np.logical_and.reduce([table[c] == table[c].iloc[like] for c in others] or [True])
    rows = table[np.broadcast_to(chosen, len(table))]
    largest = rows.groupby(key)["pixels"].max().nlargest(MAX_CURVES).index
    places = _places(table, axis)
    return [_curve(rows[rows[key] == value], places, column, color) for value in sorted(largest)]


def _curve(rows: DataFrame, places: Series, column: str, color: Callable[[int], str]) -> Curve:
    first = rows.iloc[0]
    name = first.get("name") or (first["index"] if "index" in rows else first["class"])
    x = places[rows.index].to_numpy(np.float64)
    y = rows[column].to_numpy(np.float64)
    order = np.argsort(x)
    return Curve(str(name), color(int(rows.index[0])), x[order], y[order], rows.index[order])


def _places(table: DataFrame, axis: str) -> Series:
    """Where each row lies along an axis: T, Z, or the number of its layer."""
    column = table[COLUMN_OF[axis]]
    if axis != LAYERS:
        return column
    names = list(dict.fromkeys(column))
    return column.map({name: number for number, name in enumerate(names)})
