"""The table inside the class list."""

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

from napari_segkit.images.classes import LabelClass

SHOWN = 100
ROWS_IN_VIEW = 8  # more of them scroll


class ClassTable(QTableWidget):
    """Value with colour, name (editable) and painted pixels of each class.

    Attributes
    ----------
    chosen : Signal(object)
        A person clicked the class with this value, an int of any size.
    renamed : Signal(object, str)
        A person wrote another name for the class with this value.
    """

    chosen = Signal(object)
    renamed = Signal(object, str)

    def __init__(self) -> None:
        super().__init__(0, 3)
        self._values: list[int] = []
        self._waiting: tuple[tuple[LabelClass, ...], Mapping[int, int]] | None = None
        self.setHorizontalHeaderLabels(["value", "class", "pixels"])
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        fit_height(self)
        self.setToolTip("Click: take the brush of a class. Double click on its name: rename it.")
        self.cellClicked.connect(self._on_clicked)
        self.itemChanged.connect(self._on_item_changed)

    def current_value(self) -> int | None:
        """The value of the selected class."""
        rows = self.selectionModel().selectedRows()
        return self._values[rows[0].row()] if rows else None

    def show_classes(self, classes: Iterable[LabelClass], counts: Mapping[int, int]) -> None:
        """Fill the table, once no name is being typed; of very many values only the first."""
        classes = tuple(classes)[:SHOWN]
        if self.state() == self.State.EditingState:
            self._waiting = classes, counts
            return
        self._waiting = None
        self.blockSignals(True)
        self._values = [c.value for c in classes]
        self.setRowCount(len(classes))
        for row, known in enumerate(classes):
            self._fill(row, known, counts.get(known.value, 0))
        self.blockSignals(False)
        fit_height(self)

    def show_chosen(self, value: int) -> None:
        """Select the class whose brush is taken."""
        if value in self._values:
            self.selectRow(self._values.index(value))
        else:
            self.clearSelection()

    def stop_editing(self) -> None:
        """Drop a name that is being typed, and empty the table."""
        self._values, self._waiting = [], None
        self.setRowCount(0)
        self.setState(self.State.NoState)

    def closeEditor(self, editor: QWidget, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Show what arrived while a name was typed."""
        super().closeEditor(editor, hint)
        if self._waiting is not None:
            self.show_classes(*self._waiting)

    def _fill(self, row: int, known: LabelClass, pixels: int) -> None:
        texts = (str(known.value), known.name, f"{pixels:,}")
        value, name, count = map(QTableWidgetItem, texts)
        value.setIcon(swatch(known.color))
        fixed = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        value.setFlags(fixed)
        count.setFlags(fixed)
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
    """Make a table as high as its rows, with room for three and at most `ROWS_IN_VIEW`."""
    rows = min(max(table.rowCount(), 3), ROWS_IN_VIEW)
    row = table.verticalHeader().defaultSectionSize()
    table.setFixedHeight(table.horizontalHeader().sizeHint().height() + rows * row + 4)


def swatch(color: str) -> QIcon:
    """A small square of a colour."""
    square = QPixmap(14, 14)
    square.fill(QColor(color))
    return QIcon(square)
