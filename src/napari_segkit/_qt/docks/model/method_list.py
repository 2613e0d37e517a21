"""The list of methods: searched, filtered, and greyed out where one does not fit."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_segkit._qt.widgets.dock import Note
from napari_segkit._qt.widgets.fields import ChoiceField
from napari_segkit.models import ModelInfo, list_models, model_info

HEIGHT = 132  # about six methods
ANY_DIMS, ANY_KIND = "any dimensions", "any kind"
SEARCH = (
    "<p>Words of names and descriptions, what is to be found (objects, nuclei), dimensions (2D, "
    "3D), encoders or weights; methods that have all of them are shown.</p>"
)
KIND = (
    "<p>semantic: methods that give a class for every pixel. instance: those that find objects one "
    "by one.</p>"
)
WORDS: dict[
    str | int, str
] = {  # what people look for, by kind and by the dimensions that a method prefers
    "semantic": "classes areas tissue pixels",
    "instance": "instances objects nuclei cells count single separate touching",
    2: "slices",
    3: "volumes stacks mri ct confocal",
}
DIMS = "Show only methods that work slice by slice (2D), or on whole volumes (3D)."


class MethodList(QWidget):
    """Choose a method.

    Attributes
    ----------
    changed : Signal()
        Another one was chosen.
    refused : Signal(str)
        A person pressed one that cannot be chosen: why it cannot.
    """

    changed = Signal()
    refused = Signal(str)
    wide = True

    def __init__(self) -> None:
        super().__init__()
        known = list_models()
        self.search = QLineEdit(placeholderText="Search", clearButtonEnabled=True)
        self.dims = ChoiceField([ANY_DIMS, "2D", "3D"])
        self.kind = ChoiceField([ANY_KIND, *dict.fromkeys(info.kind for info in known)])
        self.tree = _Tree()
        self.none_found = Note()
        self._items = {info.name: self._add(info) for info in known}
        self._reasons: Mapping[str, str] = {}
        self._name = known[0].name
        self._lay_out()
        self.set_value(self._name)
        self.search.textChanged.connect(self._filter)
        self.dims.changed.connect(self._filter)
        self.kind.changed.connect(self._filter)
        self.tree.currentItemChanged.connect(self._on_current)
        self.tree.refused.connect(self.refused)

    def value(self) -> str:
        """The chosen method's name."""
        return self._name

    def set_value(self, name: str) -> None:
        """Choose a method."""
        before, self._name = self._name, name
        self._grey_out()  # what is chosen is enabled, or Qt would not mark it
        self._items[name].setHidden(False)
        self.tree.setCurrentItem(self._items[name])
        self.tree.scrollToItem(self._items[name])
        if name != before:
            self.changed.emit()

    def shown(self) -> list[str]:
        """The names of those that search and filters leave; the chosen one stays in the list."""
        return [name for name in self._items if self._matches(model_info(name))]

    def refuse(self, reasons: Mapping[str, str]) -> None:
        """Grey out methods that do not fit; the chosen one stays chosen.

        Parameters
        ----------
        reasons : mapping
            From the name of a method to the sentence that says why it does not fit.
        """
        self._reasons = reasons
        self._grey_out()

    def is_offered(self, name: str) -> bool:
        """Whether a method can be chosen."""
        return not self._items[name].isDisabled()

    def _add(self, info: ModelInfo) -> QTreeWidgetItem:
        dims = ", ".join(f"{n}D" for n in sorted(info.dims))
        item = QTreeWidgetItem(self.tree, [info.title, dims])
        item.setData(0, Qt.ItemDataRole.UserRole, info.name)
        return item

    def _grey_out(self) -> None:
        for name, item in self._items.items():
            reason = self._reasons.get(name)
            item.setDisabled(reason is not None and name != self._name)
            for column in range(self.tree.columnCount()):
                item.setToolTip(column, reason or model_info(name).about)

    def _filter(self) -> None:
        found = self.shown()
        for name, item in self._items.items():
            item.setHidden(name not in (*found, self._name))
        self.none_found.setText("" if found else "No method has these words.")
        self.tree.scrollToItem(self._items[self._name])

    def _matches(self, info: ModelInfo) -> bool:
        dims = [f"{n}d" for n in info.dims]
        words = WORDS[info.kind], WORDS[info.dims[0]]
        texts = (info.name, info.title, info.about, *words, *dims, *info.weights, *info.encoders)
        text = " ".join(texts).lower()
        return (
            all(word in text for word in self.search.text().lower().split())
            and self.dims.value() in (ANY_DIMS, *(f"{n}D" for n in info.dims))
            and self.kind.value() in (ANY_KIND, info.kind)
        )

    def _on_current(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.set_value(item.data(0, Qt.ItemDataRole.UserRole))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.dims, 1)
        row.addWidget(self.kind, 1)
        self.kind.setVisible(self.kind.count() > 2)
        self.search.setToolTip(SEARCH)
        self.dims.setToolTip(DIMS)
        self.kind.setToolTip(KIND)
        self.setToolTip("<p>The method: press one to choose it.</p>")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.search)
        column.addLayout(row)
        column.addWidget(self.tree)
        column.addWidget(self.none_found)


class _Tree(QTreeWidget):
    """Two columns, title and dimensions; tells of presses on what is greyed out."""

    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setFixedHeight(HEIGHT)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)

    def mousePressEvent(self, event: Any) -> None:
        """Qt itself tells nothing of a press on a disabled item."""
        item = self.itemAt(event.position().toPoint())
        if item is not None and item.isDisabled():
            self.refused.emit(item.toolTip(0))
        super().mousePressEvent(event)
