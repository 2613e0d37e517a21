"""Panel that writes the pixels of chosen classes with chosen values."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton, QWidget
from superqt.utils import signals_blocked

from napari_segkit._qt.layers.belonging import MASK_KIND
from napari_segkit._qt.layers.result_layers import LayerWriter
from napari_segkit._qt.layers.snapshots import snapshot
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.dock import stack
from napari_segkit._qt.widgets.forms import Form
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit.config import MaskConfig
from napari_segkit.images.class_values import ClassValues, class_values
from napari_segkit.images.classes import LabelClass, joined_names
from napari_segkit.images.layer_metadata import LayerMetadata
from napari_segkit.instances.results import Objects
from napari_segkit.label_result import LabelResult

LayerReference: TypeAlias = Callable[[], Labels | None]
MAX_ROWS = 5  # more rows scroll
LIST_TIP = "<p>Classes present, of objects with their number.</p>"
MASKS = "Masks of classes"
MASKS_TIP = "<p>Write the pixels of chosen classes to a Labels layer.</p>"
BUTTON_TIP = "<p>Add a Labels layer with the pixels of the ticked classes.</p>"


class ClassMasks(QWidget):
    """Choose among the classes that occur, and write a Labels layer of their pixels."""

    written = Signal(object)  # the Labels layer of the masks
    failed = Signal(str)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._layer: LayerReference | None = None
        self._classes: Sequence[LabelClass] = ()
        self._background = LatestCall(self)
        self.list = _ClassList()
        self.form = Form(MaskConfig, hide=("masks", "palette"))
        self.button = QPushButton("Make masks", toolTip=BUTTON_TIP)
        self.list.setToolTip(LIST_TIP)
        stack(self, self.list, self.form, self.button)
        self.list.itemChanged.connect(self._update_state)
        self.button.clicked.connect(self.make_masks)
        self._background.returned.connect(self._on_masks)
        self._background.errored.connect(self._on_error)
        self._update_state()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Values of the ticked classes."""
        ticked = (item for item in self.list.entries() if item.checkState() == TICKED)
        return tuple(item.data(VALUE_ROLE) for item in ticked)

    def set_objects(self, layer: LayerReference | None, objects: Objects | None) -> None:
        """List the classes of these objects, with their number."""
        named = [(c, f"{c.name} ({count:,})") for c, count in count_by_class(objects)]
        self._show(layer, () if objects is None else objects.classes, named)

    def set_classes(self, layer: LayerReference | None, classes: Sequence[LabelClass]) -> None:
        """List the classes of a layer of class values."""
        self._show(layer, classes, [(c, c.name) for c in classes])

    def make_masks(self) -> None:
        """Make masks of the ticked classes in the background."""
        layer = None if self._layer is None else self._layer()
        if layer is None or not self.chosen:
            return
        try:
            values = class_values(self._classes, self.form.value, self.chosen)
        except ValueError as error:
            self._on_error(error)
            return
        objects = self._session.objects_of(layer)
        source = snapshot(layer, pixels=objects is None)
        provenance = LayerMetadata.of(layer).provenance
        axes = "TZYX"[-layer.ndim :] if objects is None else objects.image.label_axes
        result = LabelResult(source.data, axes, values.classes, provenance)
        masks = [c for c in values.classes if c.value != 0]
        name = f"{layer.name}: {joined_names(masks)}"
        kind = f"{MASK_KIND} {[(c.value, c.name) for c in masks]}"
        writer = LayerWriter(self._session, source, kind, name=name)
        self._background.submit(partial(_make, objects, values, result, writer))

    def _show(
        self,
        layer: LayerReference | None,
        classes: Sequence[LabelClass],
        rows: Sequence[tuple[LabelClass, str]],
    ) -> None:
        """List classes; ticks are kept, new classes are ticked but for the value 0."""
        unticked = {i.data(VALUE_ROLE) for i in self.list.entries()} - set(self.chosen) | {0}
        unticked -= set(self.chosen)
        with signals_blocked(self.list):
            self.list.clear()
            for label_class, text in rows:
                item = QListWidgetItem(text, self.list)
                item.setData(VALUE_ROLE, label_class.value)
                item.setCheckState(UNTICKED if label_class.value in unticked else TICKED)
        self.list.updateGeometry()
        self._layer, self._classes = layer, classes
        self._update_state()

    def _on_masks(self, outcome: tuple[LabelResult, LayerWriter]) -> None:
        result, writer = outcome
        layer = writer.write(result)
        if layer is not None:
            self.written.emit(layer)

    def _on_error(self, error: BaseException) -> None:
        self.failed.emit(error_text(error, "Make masks"))

    def _update_state(self) -> None:
        self.button.setEnabled(bool(self.chosen))


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


def _make(
    objects: Objects | None, values: ClassValues, result: LabelResult, writer: LayerWriter
) -> tuple[LabelResult, LayerWriter]:
    """Put the masks into the result and prepare their layer; slow for large images."""
    labels = np.asarray(result.labels) if objects is None else objects.combined()
    result = replace(result, labels=values.apply(labels))
    writer.prepare(result)
    return result, writer
