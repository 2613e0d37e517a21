"""What the dock shows of a table of measurements."""

import numpy as np
from pandas import DataFrame

from .layer_measurement import LayerMeasurement

NOT_SHOWN = ("unit", *(f"{axis}{end}" for end in (0, 1) for axis in "zyx"))
FIRST = ("class", "index", "name", "image", "T", "Z")
ABSENT = "-"


def shown_rows(table: DataFrame) -> DataFrame:
    """The columns that are shown: what has a row first, without boxes and the unit."""
    first = ["index"] if "index" in table else []
    first += [name for name in FIRST if name in table and name not in first]
    others = [name for name in table if name not in (*first, *NOT_SHOWN)]
    return table[[*first, *others]].fillna({"class": ""})


def text_of(value: object) -> str:
    """A number in five digits, or thousands in groups; a dash where there is none."""
    if isinstance(value, float | np.floating):
        return ABSENT if np.isnan(value) else f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def summary_of(result: LayerMeasurement) -> str:
    """What was measured, in which unit."""
    table, by = result.measured.table, result.config.by
    if table.empty:
        return "Nothing to measure: every pixel is background or unlabelled."
    count = table["index" if "index" in table else "class"].nunique()
    ending = {"class": "es"}.get(by, "s") * (count != 1)
    unit = table["unit"].iloc[0]
    size = f"lengths in {unit}" if unit else "lengths in units of the layer's scale"
    return f"{count:,} {by}{ending} in {len(table):,} rows; {size}."
