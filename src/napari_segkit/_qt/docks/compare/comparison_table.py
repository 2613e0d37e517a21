"""Table of a comparison: the main metrics, intervals and costs of each."""

from math import isnan

from napari_segkit._qt.widgets.class_table import fit_height
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit.comparison.tables import TITLES, ComparisonTables

COSTS = ("s / MP", "params")


class ComparisonTable(ReadOnlyTable):
    """A row for each model or prediction; the best is bold."""

    def __init__(self) -> None:
        super().__init__(["", "mean IoU", "mean Dice", *COSTS])
        fit_height(self)

    def show_comparison(self, comparison: ComparisonTables, *, stale: bool) -> None:
        """Fill the table; what is out of date is greyed and struck out."""
        figures, table = comparison.figures[:2], comparison.table()
        self.setHorizontalHeaderLabels(["", *(TITLES[f] for f in figures), *COSTS])
        self.setRowCount(len(table))
        for number, row in enumerate(table.to_dict("records")):
            texts = [str(row["model"]), *(_figure(row[f]) for f in figures)]
            texts += [_cost(row["seconds_per_megapixel"]), _cost(row["parameters"])]
            self.set_row(number, texts, bold=row["model"] == comparison.best, stale=stale)
        fit_height(self)


def _figure(value: float) -> str:
    return "absent" if isnan(value) else f"{value:.3f}"


def _cost(value: float) -> str:
    """Three digits; thousands and millions as k and M."""
    if isnan(value):
        return ""
    for factor, unit in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return f"{value:.3g}"
