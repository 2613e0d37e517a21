"""The table inside the class list."""

from collections.abc import Iterable, Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_segkit.data.classes import LabelClass

SHOWN = 100
ROWS_IN_VIEW = 8  # more of them scroll


class ClassTable(QTableWidget):
    """Value with colour, name (editable) and painted pixels of each class.

    Attributes
    ----------
    chosen : Signal(int)
        A person clicked the class with this value.
    renamed : Signal(int, str)
        A person wrote another name.
    """

    chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self) -> None:
        super().__init__(0, 3)
        self._values: list[int] = []
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
        """Fill the table; of very many values only the first are shown."""
        classes = tuple(classes)[:SHOWN]
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
