"""Tables of what a refinement changes, and of what was tried to fit it to a truth."""

from dataclasses import fields
from math import isnan
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QTableWidgetItem

from napari_segkit._qt.widgets.class_table import fit_height
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_segkit.evaluation.parameter_search import Trial
    from napari_segkit.evaluation.semantic import Report
    from napari_segkit.images.classes import LabelClass

RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class RowTable(ReadOnlyTable):
    """Rows of text, added one by one; no table while there is none."""

    def __init__(self, columns: "Sequence[str]") -> None:
        super().__init__(columns)
        self.hide()

    def add(self, texts: "Sequence[str]", *, bold: bool = False) -> None:
        """Add a row."""
        row = self.rowCount()
        self.setRowCount(row + 1)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            font = item.font()
            font.setBold(bold)
            item.setFont(font)
            item.setToolTip(text)
            if column:
                item.setTextAlignment(RIGHT)
            self.setItem(row, column, item)
        fit_height(self)
        self.show()

    def empty(self) -> None:
        """Remove all rows, and the table from view."""
        self.setRowCount(0)
        self.hide()


class ChangeTable(RowTable):
    """IoU and Dice of each class, before and after."""

    def __init__(self) -> None:
        super().__init__(["class", "IoU", "Dice"])

    def show_change(
        self, before: "Report", after: "Report", classes: "Sequence[LabelClass]"
    ) -> None:
        """Fill the table.

        Parameters
        ----------
        before, after : Report
            Of the labels before and after.
        classes : sequence of LabelClass
            Their names.
        """
        names = {c.value: c.name for c in classes}
        self.empty()
        for value in sorted({*before.classes, *after.classes}):
            figures = [
                _change(of.get(value), now.get(value))
                for of, now in ((before.iou, after.iou), (before.dice, after.dice))
            ]
            self.add([names.get(value, str(value)), *figures])
        means = [
            _change(before.mean_iou, after.mean_iou),
            _change(before.mean_dice, after.mean_dice),
        ]
        self.add(["mean", *means], bold=True)


class TrialTable(RowTable):
    """What was tried, and how well it agreed with the truth.

    Attributes
    ----------
    chosen : Signal(object)
        A person clicked a trial: its RefineConfig.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__(["tried", "IoU", "Dice"])
        self._trials: list[Trial] = []
        self.setToolTip("A click takes the numbers of a row.")
        self.cellClicked.connect(self._on_clicked)

    def show_trials(self, trials: "Sequence[Trial]", best: "Trial | None" = None) -> None:
        """Fill the table; the best row is bold."""
        self.empty()
        self._trials = list(trials)
        start = next((t.config for t in trials if t.config.method), None)
        for trial in trials:
            figures = f"{trial.mean_iou:.4f}", f"{trial.mean_dice:.4f}"
            self.add([_tried(trial, start), *figures], bold=trial is best)
        self.scrollToBottom()

    @property
    def trials(self) -> "list[Trial]":
        """What it shows."""
        return list(self._trials)

    def _on_clicked(self, row: int, _column: int) -> None:
        self.chosen.emit(self._trials[row].config)


def _change(before: float | None, after: float | None) -> str:
    texts = ["absent" if f is None or isnan(f) else f"{f:.3f}" for f in (before, after)]
    return " → ".join(texts)


def _tried(trial: "Trial", start: Any) -> str:
    """In what a trial differs from the one to begin with."""
    if trial.config.method is None:
        return "no smoothing"
    mine, first = trial.config.smoother, start.smoother
    changed = [
        f"{name.replace('_', ' ')} {getattr(mine, name)}"
        for name in reversed([f.name for f in fields(mine)])  # type: ignore[arg-type]
        if getattr(mine, name) != getattr(first, name)
    ]
    return ", ".join(changed) or "as set"
