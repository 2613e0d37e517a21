"""Table of the metrics of an evaluation."""

from collections.abc import Sequence
from math import isnan, nan
from typing import Any

from napari_segkit._qt.widgets.class_table import fit_height
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit.evaluation.metric import Metric
from napari_segkit.evaluation.report import Report

COLUMNS = {
    "overlap": {"class": "class", "iou": "IoU", "dice": "Dice"},
    "rates": {
        "class": "class",
        "precision": "precision",
        "recall": "recall",
        "specificity": "specificity",
    },
    "distances": {
        "class": "class",
        "boundary_f1": "F1",
        "surface_dice": "Dice",
        "assd": "ASSD",
        "hausdorff_95": "HD95",
    },
    "volumes": {
        "class": "class",
        "truth_volume": "truth",
        "predicted_volume": "prediction",
        "volume_error": "error",
    },
    "instance": {
        "threshold": "IoU",
        "f1": "F1",
        "precision": "precision",
        "recall": "recall",
        "ap": "AP",
    },
    "panoptic": {"class": "class", "pq": "PQ", "sq": "SQ", "rq": "RQ"},
}
LARGE = 1000  # volumes, without decimals
OF_CLASSES = ("distances", "volumes")  # columns that say nothing of the whole image
IN_WORLD_UNITS = ("assd", "hausdorff_95")
ROWS = {"frequency_weighted_iou": "frequency-weighted IoU", "kappa": "Cohen's kappa"}


class MetricsTable(ReadOnlyTable):
    """Main metrics: one row per class or threshold, and their means."""

    def __init__(self) -> None:
        super().__init__(["class", "IoU", "Dice"])
        fit_height(self)

    def show_report(
        self,
        report: Report[Metric],
        *,
        columns: str,
        stale: bool,
        mark: str = "",
        unit: str = "",
    ) -> None:
        """Fill the table, with a mark at the means; outdated metrics are greyed and struck out.

        `columns` is a key of `COLUMNS`, `unit` that of distances and of the sides of volumes.
        """
        shown, table = COLUMNS[columns], report.table()
        if columns in OF_CLASSES:
            table = table[table[[*shown][1:]].notna().any(axis=1)]
        digits = 4 if len(shown) < 5 else 3  # fits a narrow dock
        self.setColumnCount(len(shown))
        self.setHorizontalHeaderLabels([_header(*each, unit) for each in shown.items()])
        self.setRowCount(len(table))
        for row, values in enumerate(table.to_dict("records")):
            first, *others = shown
            is_mean = values[first] == "mean"
            title = _row_title(first, values) + mark * is_mean
            self.set_row(row, [title, *_numbers(values, others, digits)], bold=is_mean, stale=stale)
        fit_height(self)


def _header(name: str, title: str, unit: str) -> str:
    return f"{title} {unit}" if unit and name in IN_WORLD_UNITS else title


def _row_title(first: str, values: dict[str, Any]) -> str:
    value, name = values[first], values.get("name")
    if first == "threshold":
        return value if value == "mean" else f"{value:.2f}"
    if kind := value == "mean" and values.get("kind"):
        return {"thing": "mean of things", "stuff": "mean of stuff"}[kind]
    if value in ROWS:
        return ROWS[value]
    return f"{value}  {name}" if isinstance(name, str) else str(value)


def _numbers(values: dict[str, Any], columns: Sequence[str], digits: int) -> list[str]:
    """Texts of the columns; of a metric of the whole image, its number in the first."""
    single = values.get("value", nan)
    if isnan(single):
        return [_format(values.get(name, nan), digits) for name in columns]
    return [_format(single, digits), *[""] * (len(columns) - 1)]


def _format(value: float, digits: int) -> str:
    if isnan(value):
        return "absent"
    return f"{value:.{digits}f}" if abs(value) < LARGE else f"{value:,.0f}"
