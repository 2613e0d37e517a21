"""Table of a training set: a model and a view, without a widget for each cell."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple, get_args

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from qtpy.QtGui import QColor, QFont
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_segkit._qt.session.training_rows import image_name, source_name
from napari_segkit.io.training_roles import Role
from napari_segkit.training_set import TrainingRow

from .row_counts import RowCount

COLUMNS = ("image", "role", "labelled pixels", "group", "labels", "size")
WIDTHS = (108, 48, 130, 50, 84, 76)  # in pixels, at first
IMAGE, ROLE, PIXELS, GROUP, SIZE = 0, 1, 2, 3, 5
TIPS = (
    "Double-click an image to open it with its labels.",
    "train: learned from. validate: only scored while the model trains. leave out: not read.",
    "Labelled pixels of each class value, or objects.",
    "What images share that must not be both trained on and validated with: a subject, a slide.",
    "What was painted or read as its labels.",
    "Size of the image without channels.",
)
NO_LABELS = "none yet"
PROBLEM, LEFT_OUT = QColor(214, 69, 65), QColor(128, 128, 128)
MIN_ROWS, MAX_ROWS = 3, 8  # further rows scroll
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
NO_INDEX = QModelIndex()


class Shown(NamedTuple):
    """What a row shows beside its fields."""

    pixels: str
    known: RowCount | None
    is_open: bool


class TrainingSetModel(QAbstractTableModel):
    """Rows of a training set; `shown` tells of a row what is not among its fields."""

    edited = Signal(int, str, str)  # row, field, value

    def __init__(
        self, shown: Callable[[TrainingRow], Shown], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._shown = shown
        self.rows: Sequence[TrainingRow] = ()

    def set_rows(self, rows: Sequence[TrainingRow]) -> None:
        """Show these rows; selection and place stay if their number does."""
        if len(rows) == len(self.rows):
            self.rows = rows
            self.refresh()
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def refresh(self) -> None:
        """Show all cells anew; only those in view are painted."""
        if self.rows:
            last = self.index(len(self.rows) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Vertical:
            return section + 1 if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.ToolTipRole:
            return TIPS[section]
        return COLUMNS[section] if role == Qt.ItemDataRole.DisplayRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() in (ROLE, GROUP) else flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self.rows[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            text = image_name(row) if column == IMAGE else self._text(row, column)
            return f"<p>{escape(self._problem(row) or text)}</p>"
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._color(row)
        if role == Qt.ItemDataRole.FontRole and self._shown(row).is_open:
            font = QFont()
            font.setBold(True)
            return font
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (PIXELS, SIZE):
            return RIGHT
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.EditRole or value == self.data(index):
            return False
        self.edited.emit(index.row(), COLUMNS[index.column()], str(value).strip())
        return True

    def _text(self, row: TrainingRow, column: int) -> str:
        count = self._shown(row).known
        texts = (
            lambda: short(image_name(row)),
            lambda: row.role,
            lambda: self._shown(row).pixels,
            lambda: row.group,
            lambda: NO_LABELS if row.labels is None else short(source_name(row.labels)),
            lambda: count.size if count else "",
        )
        return texts[column]()

    def _problem(self, row: TrainingRow) -> str:
        count = self._shown(row).known
        return count.problem if count else ""

    def _color(self, row: TrainingRow) -> QColor | None:
        if self._problem(row):
            return PROBLEM
        return LEFT_OUT if row.role == "leave out" else None


def short(name: str) -> str:
    """A name without its folders, which are often the same in all rows."""
    return name.rpartition("/")[2] or name


class RoleDelegate(QStyledItemDelegate):
    """Edits a role in a combo box, which opens at once."""

    def createEditor(
        self, parent: QWidget, option: QStyleOptionViewItem, index: QModelIndex
    ) -> QWidget:
        box = QComboBox(parent)
        box.addItems(get_args(Role))
        box.activated.connect(self._on_activated)
        return box

    def setEditorData(self, editor: QWidget, index: QModelIndex) -> None:
        editor.setCurrentText(index.data())
        editor.showPopup()

    def setModelData(self, editor: QWidget, model: QAbstractTableModel, index: QModelIndex) -> None:
        model.setData(index, editor.currentText())

    def _on_activated(self) -> None:
        self.commitData.emit(self.sender())
        self.closeEditor.emit(self.sender())


class TrainingSetTable(QTableView):
    """View of a `TrainingSetModel`, as high as a few rows."""

    opened = Signal(int)  # double-clicked row

    def __init__(self, model: TrainingSetModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setItemDelegateForColumn(ROLE, RoleDelegate(self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column, width in enumerate(WIDTHS):
            self.setColumnWidth(column, width)
        model.modelReset.connect(self._fit_height)
        self.doubleClicked.connect(self._on_double_clicked)
        self._fit_height()

    def selected_rows(self) -> list[int]:
        """Numbers of the selected rows, rising."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def _fit_height(self) -> None:
        rows = min(max(self.model().rowCount(), MIN_ROWS), MAX_ROWS)
        height = rows * self.verticalHeader().defaultSectionSize()
        bars = self.horizontalHeader(), self.horizontalScrollBar()
        self.setFixedHeight(height + sum(bar.sizeHint().height() for bar in bars) + 4)

    def _on_double_clicked(self, index: QModelIndex) -> None:
        if index.column() not in (ROLE, GROUP):
            self.opened.emit(index.row())
