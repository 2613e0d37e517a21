"""Measurements of the predictions of many files: a row for each, the doubtful ones first."""

from collections.abc import Sequence
from math import nan, prod
from typing import TYPE_CHECKING

import numpy as np

from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.blocks import blocks_of
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.intensity import measure_statistics
from napari_segkit.images.types import LazyArray
from napari_segkit.images.units import UNKNOWN_SPACING
from napari_segkit.label_result import LabelResult
from napari_segkit.measurement.class_sizes import class_sizes

if TYPE_CHECKING:
    from pandas import DataFrame

    from napari_segkit.instances.results import Objects
    from napari_segkit.trained_model import TrainedModel

Row = dict[str, object]
PIXEL = "pixel"  # the unit where no pixel size is known
DOUBTS = ["uncertainty_mean", "intensity_distance"]


def measured(result: LabelResult, image: AxesImage, model: "TrainedModel") -> Row:
    """A row of measurements of one image; of a time series means over its frames."""
    ndim = 3 if "Z" in image.axes else 2
    is_known = image.unit or image.spacing != UNKNOWN_SPACING
    row: Row = {
        "uncertainty_mean": nan if result.uncertainty is None else mean_of(result.uncertainty),
        "intensity_distance": intensity_distance(image, model),
        "unit": image.unit if is_known else PIXEL,
    }
    classes = [c for c in result.classes if c.value != 0]
    if result.objects is None:
        pixels, pieces = class_sizes(AxesImage(result.labels, result.axes), ndim)
        noun, counts = "components", [(pixels[c.value], pieces[c.value]) for c in classes]
    else:
        noun, counts = "objects", [_of_objects(result.objects, c) for c in classes]
    frames, size = image.length("T"), prod(image.spacing[-ndim:])
    for c, (covered, _) in zip(classes, counts, strict=True):
        row[f"{'volume' if ndim == 3 else 'area'}-{c.name}"] = covered * size / frames
    for c, (_, number) in zip(classes, counts, strict=True):
        row[f"{noun}-{c.name}"] = number / frames
    return row


def mean_of(values: LazyArray) -> float:
    """Mean over all pixels, read block by block."""
    total = sum(float(np.sum(values[block], dtype=np.float64)) for block in blocks_of(values))
    return total / prod(values.shape)


def intensity_distance(image: AxesImage, model: "TrainedModel") -> float:
    """How far the intensities are from those of the training; nan if these are unknown."""
    if model.intensities is None:
        return nan
    return model.intensities.distance(
        measure_statistics([image], model.ndim, nonzero=model.nonzero)
    )


def sorted_table(rows: Sequence[Row]) -> "DataFrame":
    """The rows as a table: images that failed, then by the worse rank in `DOUBTS`."""
    from pandas import DataFrame

    table = DataFrame(list(rows))
    columns = dict.fromkeys(["image", "labels", *DOUBTS, *table.columns])
    table = table.reindex(columns=sorted(columns, key=_place))
    ranks = table[DOUBTS].astype(float).rank()
    has_failed = table["error"].notna() if "error" in table else False
    order = ranks.assign(failed=has_failed, worst=ranks.max(axis=1), mean=ranks.mean(axis=1))
    order = order.sort_values(["failed", "worst", "mean"], ascending=False, kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def _place(column: str) -> int:
    """Columns of all images first, then sizes of classes, numbers of them, and errors."""
    if column == "error":
        return 3
    return 0 if "-" not in column else 1 if column.startswith(("area-", "volume-")) else 2


def _of_objects(objects: "Objects", of: LabelClass) -> tuple[int, int]:
    """Pixels and number of the objects of a class."""
    table = objects.table
    own = table[table["class"] == of.name]
    return int(own["pixels"].sum()), len(own)
