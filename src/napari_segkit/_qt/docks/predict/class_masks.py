"""Panel that turns the objects of chosen classes into masks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QWidget
from superqt.utils import signals_blocked

from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.choice import Choice
from napari_segkit._qt.widgets.dock import stack
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult

LayerReference: TypeAlias = Callable[[], Labels | None]
MERGED, SEPARATE = "one merged mask", "keep class values"
MAX_ROWS = 5  # more rows scroll
LIST_TIP = "<p>Classes present in the objects, each with its number of objects.</p>"
MODE_TIP = (
    "<p>Write the chosen classes with their own values, or merge them into one mask of value 1.</p>"
)
BUTTON_TIP = "<p>Add a Labels layer with the pixels of the ticked classes.</p>"
MAX_NAMES = 3  # classes listed in a layer name


class ClassMasks(QWidget):
    """Choose among the classes that occur, and write a Labels layer of their pixels."""

    written = Signal(object)  # the Labels layer of the masks
    errored = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: LayerReference | None = None
        self._background = LatestCall(self)
        self.list = _ClassList()
        self.mode = Choice([(SEPARATE, SEPARATE), (MERGED, MERGED)], tooltip=MODE_TIP)
        self.button = QPushButton("Make masks", toolTip=BUTTON_TIP)
        self.list.setToolTip(LIST_TIP)
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

    def set_objects(self, layer: LayerReference | None, objects: Objects | None) -> None:
        """List the classes of these objects; ticks are kept, new classes are ticked."""
        unticked = {i.data(VALUE_ROLE) for i in self.list.entries()} - set(self.chosen)
        with signals_blocked(self.list):
            self.list.clear()
            for label_class, count in count_by_class(objects):
                item = QListWidgetItem(f"{label_class.name} ({count:,})", self.list)
                item.setData(VALUE_ROLE, label_class.value)
                item.setCheckState(UNTICKED if label_class.value in unticked else TICKED)
        self.list.updateGeometry()
        self._layer = layer
        self._update_state()

    def make_masks(self) -> None:
        """Make masks of the ticked classes in the background."""
        layer = None if self._layer is None else self._layer()
        objects = None if layer is None else self._session.objects_of(layer)
        if layer is not None and objects is not None and self.chosen:
            as_one = self.mode.value == MERGED
            classes = mask_classes(objects, self.chosen, as_one=as_one)
            provenance, axes = LayerMetadata.of(layer).provenance, objects.image.label_axes
            result = LabelResult(objects.labels, axes, classes, provenance)
            writer = LayerWriter(
                self._session,
                snapshot(layer, pixels=False),
                f"masks of {[(c.value, c.name) for c in classes[1:]]}",
                name=f"{layer.name}: {_class_names(classes[1:])}",
            )
            self._background.submit(partial(_merge, objects, self.chosen, as_one, result, writer))

    def _on_masks(self, outcome: tuple[LabelResult, LayerWriter]) -> None:
        result, writer = outcome
        layer = writer.write(result)
        if layer is not None:
            self.written.emit(layer)

    def _update_state(self) -> None:
        self.button.setEnabled(bool(self.chosen))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.mode.native)
        row.addWidget(self.button, 1)
        stack(self, self.list, row)


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


def count_by_class(objects: Objects | None) -> list[tuple[LabelClass, int]]:
    """Classes with at least one object, and their object counts."""
    if objects is None:
        return []
    values, counts = np.unique(objects.values[1:], return_counts=True)
    classes = {c.value: c for c in objects.classes}
    return [(classes[int(v)], int(n)) for v, n in zip(values, counts, strict=True)]


def mask_classes(
    objects: Objects, chosen: Sequence[int], *, as_one: bool
) -> tuple[LabelClass, ...]:
    """Background and the classes of the masks."""
    selected = [c for c in objects.classes if c.value in chosen]
    if as_one:
        selected = [LabelClass(1, _class_names(selected), selected[0].color)]
    return objects.classes[0], *selected


def _merge(
    objects: Objects, chosen: Sequence[int], as_one: bool, result: LabelResult, writer: LayerWriter
) -> tuple[LabelResult, LayerWriter]:
    """Put the masks into the result and prepare their layer; slow for large images."""
    result = replace(result, labels=objects.combined(chosen, as_one=as_one))
    writer.prepare(result)
    return result, writer


def _class_names(classes: Sequence[LabelClass]) -> str:
    names = [c.name for c in classes]
    return ", ".join(names[:MAX_NAMES]) + (" …" if len(names) > MAX_NAMES else "")
