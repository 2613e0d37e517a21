"""The figures of an evaluation as a table."""

from math import isnan
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from .class_table import fit_height

if TYPE_CHECKING:
    from napari_segkit.evaluation.semantic import Report

STALE = QColor(128, 128, 128)


class FiguresTable(QTableWidget):
    """A row for each class with its IoU and Dice, and a last row with their means."""

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["class", "IoU", "Dice"])
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        fit_height(self)

    def show_report(self, report: "Report", *, stale: bool) -> None:
        """Fill the table; figures that are out of date are greyed and struck out."""
        rows = [
            (_label(value, report.names), report.iou[value], report.dice[value])
            for value in report.classes
        ]
        rows.append(("mean", report.mean_iou, report.mean_dice))
        self.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                self.setItem(row, column, _item(text, stale=stale, bold=row == len(rows) - 1))
        fit_height(self)


def _label(value: int, names: dict[int, str] | None) -> str:
    name = (names or {}).get(value)
    return f"{value}  {name}" if name else str(value)


def _item(value: Any, *, stale: bool, bold: bool) -> QTableWidgetItem:
    if isinstance(value, str):
        item = QTableWidgetItem(value)
    else:
        item = QTableWidgetItem("absent" if isnan(value) else f"{value:.4f}")
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    font = item.font()
    font.setBold(bold)
    font.setStrikeOut(stale)
    item.setFont(font)
    if stale:
        item.setForeground(STALE)
    return item
