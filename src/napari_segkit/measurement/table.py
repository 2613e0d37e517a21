"""The table of measurements."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segkit.config import MeasureConfig
from napari_segkit.images.axes_image import SPATIAL
from napari_segkit.images.types import AnyArray
from napari_segkit.images.units import UNKNOWN_SPACING

from .counting import FrameCounts
from .neighbours import neighbour_columns
from .sources import OpenLabels
from .sums import Sums

if TYPE_CHECKING:
    from pandas import DataFrame

Rows: TypeAlias = NDArray[np.intp]
PIXEL = "pixel"  # the unit where no pixel size is known


def make_table(frames: Sequence[FrameCounts], config: MeasureConfig) -> "tuple[DataFrame, Rows]":
    """A row for each value of each frame, and the number of the frame of each row.

    Of classes, every frame has a row for all that are named or occur anywhere.
    """
    from pandas import concat

    if config.by == "class":
        classes = _all_classes(frames) - {config.unlabelled}
        frames = [frame.with_classes(classes) for frame in frames]
    tables = [_frame_table(frame, config) for frame in frames]
    frame_of = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    filled = [table for table in tables if len(table)] or tables[:1]
    return concat(filled, ignore_index=True), frame_of


def _all_classes(frames: Sequence[FrameCounts]) -> set[int]:
    named = {value for frame in frames for value in frame.opened.names}
    return named | {value for frame in frames for value in frame.sums.values.tolist()}


def _frame_table(frame: FrameCounts, config: MeasureConfig) -> "DataFrame":
    from pandas import DataFrame

    opened, sums = frame.opened, frame.sums
    columns: dict[str, object] = {"image": opened.name} if opened.name else {}
    columns |= frame.place
    columns |= _name_columns(opened, sums.values.tolist(), config)
    columns |= _size_columns(opened, sums, is_slice="Z" in frame.place)
    for channel in range(opened.channels):
        columns |= _intensity_columns(opened, sums, channel)
    columns |= _place_columns(opened, sums)
    columns |= frame.shape
    if config.neighbours:
        columns |= neighbour_columns(sums.values, frame.pairs)
    return DataFrame(columns, index=range(len(sums.values)))


def _name_columns(
    opened: OpenLabels, values: list[int], config: MeasureConfig
) -> dict[str, Sequence[object]]:
    """What has a row: a class and its name, or an index and the name of its class if known."""
    if config.by == "class":
        return {"class": values, "name": opened.class_names(values)}
    if config.by == "component":
        of_value = [opened.class_of[v] for v in values]
        return {"index": values, "class": opened.class_names(of_value)}
    known = [opened.names.get(value) for value in values]
    return {"index": values} | ({"class": known} if opened.names else {})


def _size_columns(opened: OpenLabels, sums: Sums, *, is_slice: bool) -> dict[str, object]:
    """Pixels, their area or volume, and their share of the frame."""
    labels, ndim = opened.labels, 2 if is_slice else opened.ndim
    is_known = labels.unit or labels.spacing != UNKNOWN_SPACING
    return {
        "pixels": sums.pixels,
        "volume" if ndim == 3 else "area": sums.pixels * prod(labels.spacing[-ndim:]),
        "unit": labels.unit if is_known else PIXEL,
        "fraction": sums.pixels / prod(labels.spatial_shape(ndim)),
    }


def _intensity_columns(opened: OpenLabels, sums: Sums, channel: int) -> dict[str, AnyArray]:
    """Intensities of a channel; nan of values without a pixel whose intensity is a number."""
    known = np.where(sums.known[:, channel] > 0, sums.known[:, channel], np.nan)
    total = sums.sums[:, channel]
    columns = {
        "mean": total / known,
        "std": np.sqrt(sums.squares[:, channel] / known),
        "min": np.where(known > 0, sums.lowest[:, channel], np.nan),
        "max": np.where(known > 0, sums.highest[:, channel], np.nan),
        "sum": np.where(known > 0, total, np.nan),
    }
    end = opened.channel_end(channel)
    return {f"intensity_{name}{end}": column for name, column in columns.items()}


def _place_columns(opened: OpenLabels, sums: Sums) -> dict[str, object]:
    """Centroids in world units, and bounding boxes in pixels; missing where there is no pixel."""
    from pandas import array

    axes = SPATIAL[-sums.first.shape[1] :]
    pixels = np.where(sums.pixels > 0, sums.pixels, np.nan)
    centroids = sums.positions / pixels[:, None] * opened.labels.spacing[-len(axes) :]
    columns: dict[str, object] = {
        f"centroid-{a.lower()}": centroids[:, i] for i, a in enumerate(axes)
    }
    for end, corners in enumerate((sums.first, sums.last + 1)):
        for i, axis in enumerate(axes):
            column = array(corners[:, i], dtype="Int64")
            column[sums.pixels == 0] = None
            columns[f"{axis.lower()}{end}"] = column
    return columns
