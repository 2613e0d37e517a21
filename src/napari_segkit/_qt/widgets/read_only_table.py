"""Read-only table."""

from collections.abc import Sequence
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

STALE = QColor(128, 128, 128)
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ReadOnlyTable(QTableWidget):
    """Small read-only table; its first column takes the spare width."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(0, len(columns))
        self.setHorizontalHeaderLabels(list(columns))
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def set_row(
        self, row: int, texts: Sequence[str], *, bold: bool = False, stale: bool = False
    ) -> None:
        """Fill a row; a stale one is greyed and struck out."""
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            font = item.font()
            font.setBold(bold)
            font.setStrikeOut(stale)
            item.setFont(font)
            item.setToolTip(f"<p>{escape(text)}</p>")
            if stale:
                item.setForeground(STALE)
            if column:
                item.setTextAlignment(RIGHT)
            self.setItem(row, column, item)
