"""Panel that turns the objects of chosen classes into masks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout
from qtpy.QtWidgets import QWidget as Widget

from napari_segkit._qt.layers.result_layers import write_labels
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.fields import ChoiceField
from napari_segkit.images.classes import LabelClass

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session
    from napari_segkit.instances.results import Objects

MERGED, SEPARATE = "one merged mask", "keep class values"
MAX_ROWS = 5  # more rows scroll
LIST_TIP = "<p>Classes present in the objects, each with its number of objects.</p>"
MODE_TIP = (
    "<p>Write the chosen classes with their own values, or merge them into one mask of value 1.</p>"
)
BUTTON_TIP = "<p>Add a Labels layer with the pixels of the ticked classes.</p>"
MAX_NAMES = 3  # classes listed in a layer name


class ClassMasks(Widget):
    """Choose among the classes that occur, and write a Labels layer of their pixels."""

    written = Signal(object)  # the Labels layer of the masks
    errored = Signal(object)

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self._session = session
        self._layer: Any = None
        self._background = LatestCall(self)
        self.list = _ClassList()
        self.mode = ChoiceField([SEPARATE, MERGED])
        self.button = QPushButton("Make masks")
        self.list.setToolTip(LIST_TIP)
        self.mode.setToolTip(MODE_TIP)
        self.button.setToolTip(BUTTON_TIP)
        self._lay_out()
        self.list.itemChanged.connect(self._update_state)
        self.button.clicked.connect(self.make_masks)
        self._background.returned.connect(self._on_masks)
        self._background.errored.connect(self.errored)
        self._update_state()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Values of the ticked classes."""
        ticked = (item for item in self.list.entries() if item.checkState() == TICKED)
        return tuple(item.data(VALUE_ROLE) for item in ticked)

    def set_objects(self, layer: Any, objects: "Objects | None") -> None:
        """List the classes of these objects; ticks are kept, new classes are ticked."""
        unticked = {i.data(VALUE_ROLE) for i in self.list.entries()} - set(self.chosen)
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for label_class, count in count_by_class(objects):
            item = QListWidgetItem(f"{label_class.name} ({count:,})", self.list)
            item.setData(VALUE_ROLE, label_class.value)
            item.setCheckState(UNTICKED if label_class.value in unticked else TICKED)
        self.list.blockSignals(blocked)
        self.list.updateGeometry()
        self._layer = layer
        self._update_state()

    def make_masks(self) -> None:
        """Make masks of the ticked classes in the background."""
        layer = self._layer and self._layer()
        objects = layer and self._session.objects_of(layer)
        if objects and self.chosen:
            as_one = self.mode.value() == MERGED
            self._background.submit(merge_classes, layer, objects, self.chosen, as_one=as_one)

    def _on_masks(self, result: Any) -> None:
        if self._session.viewer is not None:
            self.written.emit(_write_masks(self._session.viewer, *result))

    def _update_state(self) -> None:
        self.button.setEnabled(bool(self.chosen))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.mode)
        row.addWidget(self.button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(row)


VALUE_ROLE = Qt.ItemDataRole.UserRole
TICKED, UNTICKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class _ClassList(QListWidget):
    """List as high as its entries, up to `MAX_ROWS`."""

    def entries(self) -> list[QListWidgetItem]:
        return [self.item(i) for i in range(self.count())]

    def sizeHint(self) -> QSize:
        row = max(self.sizeHintForRow(0), self.fontMetrics().height())
        height = row * min(max(self.count(), 1), MAX_ROWS) + 2 * self.frameWidth() + 2
        return QSize(super().sizeHint().width(), height)

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), self.sizeHint().height())


def count_by_class(objects: "Objects | None") -> list[tuple[LabelClass, int]]:
    """Classes with at least one object, and their object counts."""
    if objects is None:
        return []
    values, counts = np.unique(objects.values[1:], return_counts=True)
    classes = {c.value: c for c in objects.classes}
    return [(classes[int(v)], int(n)) for v, n in zip(values, counts, strict=True)]


def merge_classes(
    layer: Any, objects: "Objects", chosen: Sequence[int], *, as_one: bool
) -> tuple[Any, str, NDArray[Any], tuple[LabelClass, ...]]:
    """Return the layer, axes, mask and classes; slow for large images."""
    labels = objects.combined(chosen, as_one=as_one)
    selected = [c for c in objects.classes if c.value in chosen]
    if as_one:
        selected = [LabelClass(1, _class_names(selected), selected[0].color)]
    return layer, objects.image.label_axes, labels, (objects.classes[0], *selected)


def _write_masks(
    viewer: Any, layer: Any, axes: str, labels: NDArray[Any], classes: Sequence[LabelClass]
) -> Any:
    """Write the masks; the layer of an earlier request for the same classes is updated."""
    metadata, selected = layer.metadata.get("segkit", {}), classes[1:]
    source = snapshot(layer, pixels=False)
    return write_labels(
        viewer,
        source,
        labels,
        classes=classes,
        provenance={k: v for k, v in metadata.items() if k not in ("classes", "fingerprint")},
        axes=axes,
        name=f"{source.name}: {_class_names(selected)}",
        kind=f"masks of {[(c.value, c.name) for c in selected]}",
    )


def _class_names(classes: Sequence[LabelClass]) -> str:
    names = [c.name for c in classes]
    return ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")
