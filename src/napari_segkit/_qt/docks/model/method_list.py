"""Searchable list of segmentation methods."""

from collections.abc import Mapping

from magicgui.widgets import Container, LineEdit
from magicgui.widgets.bases import ValuedContainerWidget
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QHeaderView, QSizePolicy, QTreeWidget, QTreeWidgetItem

from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import Note
from napari_segkit.models import ModelInfo, list_models, model_info

HEIGHT = 132  # about six methods
ANY_DIMS, ANY_KIND = "any dimensions", "any kind"
SEARCH = (
    "<p>Searches names, descriptions, targets (objects, nuclei), dimensions (2D, 3D), encoders and "
    "weights. A method is listed if it matches all words.</p>"
)
KIND = (
    "<p>semantic: a class for every pixel. instance: separate objects, each with a class and a "
    "score.</p>"
)
METHODS = "<p>Segmentation method. Click one to choose it.</p>"
DIMS = "Show only methods that work slice by slice (2D) or on volumes (3D)."
KEYWORDS: dict[str | int, str] = {  # further search words, by kind and preferred dimensions
    "semantic": "classes areas tissue pixels",
    "instance": "instances objects nuclei cells count single separate touching",
    2: "slices",
    3: "volumes stacks mri ct confocal",
}


class MethodList(ValuedContainerWidget):
    """List of methods with a search box and filters; incompatible methods are greyed out."""

    wide = True

    def __init__(self) -> None:
        models = list_models()
        self.search = LineEdit(tooltip=SEARCH)
        self.dims = Choice([(text, text) for text in (ANY_DIMS, "2D", "3D")], tooltip=DIMS)
        kinds = dict.fromkeys(info.kind for info in models)
        self.kind = Choice([(text, text) for text in (ANY_KIND, *kinds)], tooltip=KIND)
        self.tree = _Tree()
        self.no_match = Note()
        self._items = {info.name: self._add(info) for info in models}
        self._reasons: Mapping[str, str] = {}
        self._name = models[0].name
        super().__init__(labels=False, tooltip=METHODS)
        self._lay_out()
        self.set_value(self._name)
        for field in (self.search, self.dims, self.kind):
            field.changed.connect(self._filter)
        self.tree.currentItemChanged.connect(self._on_current)

    def get_value(self) -> str:
        return self._name

    def set_value(self, name: str) -> None:
        before, self._name = self._name, name
        self._update_items()  # Qt selects enabled items only
        self._items[name].setHidden(False)
        self.tree.setCurrentItem(self._items[name])
        self.tree.scrollToItem(self._items[name])
        if name != before:
            self.changed.emit(name)

    def matches(self) -> list[str]:
        """Names that match search and filters; the current method stays listed without a match."""
        return [name for name in self._items if self._matches(model_info(name))]

    def disable(self, reasons: Mapping[str, str]) -> None:
        """Grey out methods, given as name to reason; the current method stays enabled."""
        self._reasons = reasons
        self._update_items()

    def _add(self, info: ModelInfo) -> QTreeWidgetItem:
        dims = ", ".join(f"{n}D" for n in sorted(info.dims))
        item = QTreeWidgetItem(self.tree, [info.title, dims])
        item.setData(0, Qt.ItemDataRole.UserRole, info.name)
        return item

    def _update_items(self) -> None:
        for name, item in self._items.items():
            reason = self._reasons.get(name)
            item.setDisabled(reason is not None and name != self._name)
            for column in range(self.tree.columnCount()):
                item.setToolTip(column, reason or model_info(name).about)

    def _filter(self) -> None:
        matches = self.matches()
        for name, item in self._items.items():
            item.setHidden(name not in (*matches, self._name))
        self.no_match.setText("" if matches else "No method matches.")
        self.tree.scrollToItem(self._items[self._name])

    def _matches(self, info: ModelInfo) -> bool:
        dims = [f"{n}d" for n in info.dims]
        keywords = KEYWORDS[info.kind], KEYWORDS[info.dims[0]]
        texts = (info.name, info.title, info.about, *keywords, *dims, *info.weights, *info.encoders)
        text = " ".join(texts).lower()
        return (
            all(word in text for word in self.search.value.lower().split())
            and self.dims.value in (ANY_DIMS, *(f"{n}D" for n in info.dims))
            and self.kind.value in (ANY_KIND, info.kind)
        )

    def _on_current(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.set_value(item.data(0, Qt.ItemDataRole.UserRole))

    def _lay_out(self) -> None:
        self.search.native.setPlaceholderText("Search")
        self.search.native.setClearButtonEnabled(True)
        filters = Container(widgets=[self.dims, self.kind], layout="horizontal", labels=False)
        filters.margins = self.margins = 0, 0, 0, 0
        self.native.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for widget in (self.search.native, filters.native, self.tree, self.no_match):
            self.native.layout().addWidget(widget)


class _Tree(QTreeWidget):
    """Columns: title, dimensions. Reports clicks on disabled items."""

    disabled_clicked = Signal(str)

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

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Emit `disabled_clicked`, for which Qt has no signal of its own."""
        item = self.itemAt(event.position().toPoint())
        if item is not None and item.isDisabled():
            self.disabled_clicked.emit(item.toolTip(0))
        super().mousePressEvent(event)
