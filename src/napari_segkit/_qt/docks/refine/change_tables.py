"""Tables of the metrics before and after refinement, and of the trials of a search."""

from collections.abc import Sequence
from dataclasses import fields
from math import isnan
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_segkit._qt.widgets.class_table import fit_height
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable
from napari_segkit.config import RefineConfig
from napari_segkit.evaluation.semantic import SemanticReport
from napari_segkit.images.classes import LabelClass

if TYPE_CHECKING:
    from napari_segkit.evaluation.parameter_search import Trial


class RowTable(ReadOnlyTable):
    """Rows of text, added one by one; hidden while empty."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(columns)
        self.hide()

    def add(self, texts: Sequence[str], *, bold: bool = False) -> None:
        row = self.rowCount()
        self.setRowCount(row + 1)
        self.set_row(row, texts, bold=bold)
        fit_height(self)
        self.show()

    def clear_rows(self) -> None:
        """Remove all rows and hide the table."""
        self.setRowCount(0)
        self.hide()


class ChangeTable(RowTable):
    """IoU and Dice of each class, before and after."""

    def __init__(self) -> None:
        super().__init__(["class", "IoU", "Dice"])

    def show_change(
        self, before: SemanticReport, after: SemanticReport, classes: Sequence[LabelClass]
    ) -> None:
        names = {c.value: c.name for c in classes}
        self.clear_rows()
        for value in sorted({*before.classes, *after.classes}):
            metrics = [
                _change(old.get(value), new.get(value))
                for old, new in ((before.iou, after.iou), (before.dice, after.dice))
            ]
            self.add([names.get(value, str(value)), *metrics])
        means = [
            _change(before.mean_iou, after.mean_iou),
            _change(before.mean_dice, after.mean_dice),
        ]
        self.add(["mean", *means], bold=True)


class TrialTable(RowTable):
    """Trials of a parameter search, with their agreement with the truth."""

    chosen = Signal(object)  # RefineConfig of a clicked trial

    def __init__(self) -> None:
        super().__init__(["trial", "IoU", "Dice"])
        self._trials: list[Trial] = []
        self.setToolTip("<p>Click a row to use its settings.</p>")
        self.cellClicked.connect(self._on_clicked)

    def show_trials(self, trials: "Sequence[Trial]", best: "Trial | None" = None) -> None:
        """Fill the table; the best row is bold."""
        self.clear_rows()
        self._trials = list(trials)
        initial = next((t.config for t in trials if t.config.method), None)
        for trial in trials:
            metrics = f"{trial.mean_iou:.4f}", f"{trial.mean_dice:.4f}"
            self.add([_describe(trial, initial), *metrics], bold=trial is best)
        self.scrollToBottom()

    @property
    def trials(self) -> "list[Trial]":
        return list(self._trials)

    def _on_clicked(self, row: int, _column: int) -> None:
        self.chosen.emit(self._trials[row].config)


def _change(before: float | None, after: float | None) -> str:
    texts = ["absent" if f is None or isnan(f) else f"{f:.3f}" for f in (before, after)]
    return " → ".join(texts)


def _describe(trial: "Trial", initial: RefineConfig | None) -> str:
    """Settings of a trial that differ from the initial ones."""
    tried, first = trial.config.smoother, initial and initial.smoother
    if tried is None:
        return "no smoothing"
    changed = [
        f"{name.replace('_', ' ')} {getattr(tried, name)}"
        for name in reversed([f.name for f in fields(tried)])
        if getattr(tried, name) != getattr(first, name)
    ]
    return ", ".join(changed) or "initial settings"
