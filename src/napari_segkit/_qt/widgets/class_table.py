"""Table of label classes."""

from collections.abc import Iterable, Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_segkit.images.classes import LabelClass

MAX_ROWS = 100
VISIBLE_ROWS = 8  # further rows scroll


class ClassTable(QTableWidget):
    """Value with colour, name (editable) and labelled pixels of each class."""

    chosen = Signal(object)  # value of the clicked class (object: int of any size)
    renamed = Signal(object, str)  # value and new name

    def __init__(self) -> None:
        super().__init__(0, 3)
        self._values: list[int] = []
        self._pending: tuple[tuple[LabelClass, ...], Mapping[int, int] | None] | None = None
        self.setHorizontalHeaderLabels(["value", "class", "pixels"])
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        fit_height(self)
        self.setToolTip("Click a class to paint with it. Double-click its name to rename it.")
        self.cellClicked.connect(self._on_clicked)
        self.itemChanged.connect(self._on_item_changed)

    def current_value(self) -> int | None:
        """Value of the selected class."""
        rows = self.selectionModel().selectedRows()
        return self._values[rows[0].row()] if rows else None

    def show_classes(self, classes: Iterable[LabelClass], counts: Mapping[int, int] | None) -> None:
        """Show the first `MAX_ROWS` classes, once no name is being edited; None: not counted."""
        classes = tuple(classes)[:MAX_ROWS]
        if self.state() == self.State.EditingState:
            self._pending = classes, counts
            return
        self._pending = None
        with signals_blocked(self):
            self._values = [c.value for c in classes]
            self.setRowCount(len(classes))
            for row, label_class in enumerate(classes):
                pixels = "" if counts is None else f"{counts.get(label_class.value, 0):,}"
                self._fill_row(row, label_class, pixels)
        fit_height(self)

    def select_value(self, value: int) -> None:
        if value in self._values:
            self.selectRow(self._values.index(value))
        else:
            self.clearSelection()

    def stop_editing(self) -> None:
        """Discard a name being edited and empty the table."""
        self._values, self._pending = [], None
        self.setRowCount(0)
        self.setState(self.State.NoState)

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Show the classes that arrived while a name was edited."""
        super().closeEditor(editor, hint)
        if self._pending is not None:
            self.show_classes(*self._pending)

    def _fill_row(self, row: int, label_class: LabelClass, pixels: str) -> None:
        texts = (str(label_class.value), label_class.name, pixels)
        value, name, count = map(QTableWidgetItem, texts)
        value.setIcon(swatch(label_class.color))
        read_only = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        value.setFlags(read_only)
        count.setFlags(read_only)
        count.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, item in enumerate((value, name, count)):
            self.setItem(row, column, item)

    def _on_clicked(self, row: int, _column: int) -> None:
        self.chosen.emit(self._values[row])

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        name = item.text().strip()
        if item.column() == 1 and name:
            self.renamed.emit(self._values[item.row()], name)


def fit_height(table: QTableWidget) -> None:
    """Set the table's height to its rows: at least 3, at most `VISIBLE_ROWS`."""
    rows = min(max(table.rowCount(), 3), VISIBLE_ROWS)
    row = table.verticalHeader().defaultSectionSize()
    table.setFixedHeight(table.horizontalHeader().sizeHint().height() + rows * row + 4)


def swatch(color: str) -> QIcon:
    """A small square icon of a colour."""
    square = QPixmap(14, 14)
    square.fill(QColor(color))
    return QIcon(square)
