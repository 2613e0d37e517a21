"""A table of many rows, sorted by a click on a column: a model and a view."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
from pandas import DataFrame
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QTableView

from .class_table import swatch

MIN_ROWS, MAX_ROWS = 3, 8  # further rows scroll
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
NO_INDEX = QModelIndex()
NO_ROW = -1
ABSENT = "-"


class FrameModel(QAbstractTableModel):
    """Rows of a DataFrame; text in its first column may have a colour, `text` shows values."""

    def __init__(self, text: Callable[[object], str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._text = text
        self.frame = DataFrame()
        self._columns: list[Any] = []
        self._order = np.zeros(0, np.intp)  # row of the frame of each row that is shown
        self._icons: dict[str, Any] = {}

    def set_frame(self, frame: DataFrame, colors: dict[str, str]) -> None:
        """Show these rows; `colors` are those of texts in the first column."""
        self.beginResetModel()
        self.frame, self._order = frame, np.arange(len(frame))
        self._columns = [frame[name].to_numpy() for name in frame]
        self._icons = {text: swatch(color) for text, color in colors.items()}
        self.endResetModel()

    def row_at(self, index: QModelIndex) -> int:
        """The row of the frame that is shown at an index."""
        return int(self._order[index.row()]) if index.isValid() else NO_ROW

    def place_of(self, row: int) -> int:
        """Where a row of the frame is shown."""
        return int(np.flatnonzero(self._order == row)[0])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if not 0 <= column < len(self._columns):
            return
        ranks = np.unique(self._columns[column], return_inverse=True)[1]
        is_rising = order == Qt.SortOrder.AscendingOrder
        self.layoutAboutToBeChanged.emit()
        self._order = np.argsort(ranks if is_rising else -ranks, kind="stable")
        self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Vertical or role != Qt.ItemDataRole.DisplayRole:
            return None
        return str(self.frame.columns[section])

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value = self._columns[index.column()][self.row_at(index)]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            text = self._text(value)
            return text if role == Qt.ItemDataRole.DisplayRole else f"<p>{escape(text)}</p>"
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            return self._icons.get(str(value))
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return RIGHT
        return None


def text_of(value: object) -> str:
    """A number as it is shown: three decimals, or thousands in groups; a dash where there is none.

    None are 0 as a whole number, such as the id of no object, and nan.
    """
    if isinstance(value, float | np.floating):
        return ABSENT if np.isnan(value) else f"{value:.3f}"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if value else ABSENT
    return str(value)


class FrameTable(QTableView):
    """View of a DataFrame, as high as a few rows; a row is chosen by mouse or keyboard.

    `widths` are those of the columns at first, in pixels; `text` gives what is shown of a value.
    """

    chosen = Signal(int)  # row of the frame

    def __init__(
        self, tooltip: str, widths: Sequence[int], text: Callable[[object], str] = text_of
    ) -> None:
        super().__init__(toolTip=tooltip)
        self.rows = FrameModel(text, self)
        self._is_told = False  # which row is selected
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSortingEnabled(True)
        self.verticalHeader().hide()
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self._widths = widths
        self.clicked.connect(self._on_index)
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self.fit_height()

    def show_frame(self, frame: DataFrame, colors: dict[str, str]) -> None:
        """Show these rows, in their order; `colors` are those of texts in the first column."""
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        is_first = not self.rows.columnCount()
        self.rows.set_frame(frame, colors)
        for column, width in enumerate(self._widths if is_first else ()):
            self.setColumnWidth(column, width)
        self.fit_height()

    def select(self, row: int) -> None:
        """Select a row of the frame and scroll to it, without choosing it; -1: none."""
        self._is_told = True
        if row == NO_ROW:
            self.clearSelection()
        else:
            self.selectRow(self.rows.place_of(row))
            self.scrollTo(self.currentIndex())
        self._is_told = False

    def fit_height(self) -> None:
        rows = min(max(self.rows.rowCount(), MIN_ROWS), MAX_ROWS)
        height = rows * self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(height + self.horizontalHeader().sizeHint().height() + 4)

    def _on_current(self, current: QModelIndex, _before: QModelIndex) -> None:
        self._on_index(current)

    def _on_index(self, index: QModelIndex) -> None:
        if index.isValid() and not self._is_told:
            self.chosen.emit(self.rows.row_at(index))
