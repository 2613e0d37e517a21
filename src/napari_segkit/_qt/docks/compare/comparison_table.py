"""Table of a comparison: the main metrics and the speed of each."""

from collections.abc import Mapping
from math import isnan

from napari_segkit._qt.widgets.class_table import fit_height, swatch
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit.comparison.figures import TITLES
from napari_segkit.comparison.tables import ComparisonTables

SECONDS = "s/MP"
SECONDS_TIP = "<p>Seconds of prediction and refinement per megapixel.</p>"


class ComparisonTable(ReadOnlyTable):
    """A row for each model or prediction; the best is bold."""

    def __init__(self) -> None:
        super().__init__(["", "IoU", "Dice", SECONDS])
        fit_height(self)

    def show_comparison(
        self, comparison: ComparisonTables, colors: Mapping[str, str], *, stale: bool
    ) -> None:
        """Fill the table, with the colours of the contours; what is out of date is struck out."""
        figures, table = comparison.figures[:2], comparison.table()
        titles = [TITLES[figure] for figure in figures]
        self.setHorizontalHeaderLabels(["", *(t.removeprefix("mean ") for t in titles), SECONDS])
        for column, tip in enumerate([*titles, SECONDS_TIP], 1):
            self.horizontalHeaderItem(column).setToolTip(tip)
        self.setRowCount(len(table))
        for number, row in enumerate(table.to_dict("records")):
            name = str(row["model"])
            texts = [name, *(_figure(row[f]) for f in figures)]
            texts.append(_seconds(row["seconds_per_megapixel"]))
            self.set_row(number, texts, bold=name == comparison.best, stale=stale)
            if name in colors:
                self.item(number, 0).setIcon(swatch(colors[name]))
        fit_height(self)


def _figure(value: float) -> str:
    return "absent" if isnan(value) else f"{value:.3f}"


def _seconds(value: float) -> str:
    return "" if isnan(value) else f"{value:.3g}"
