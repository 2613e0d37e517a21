"""Masks of chosen classes, made from objects."""

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

ONE, EACH = "one mask", "one per class"
ROWS = 5  # shown without scrolling
NAMED = 3  # classes in the name of a layer


class ClassMasks(Widget):
    """Choose among the classes that occur, and make a Labels layer of their pixels.

    Parameters
    ----------
    session : Session
        Whose viewer gets the layer.

    Attributes
    ----------
    written : Signal(object)
        The Labels layer that shows the masks.
    errored : Signal(object)
        The exception that kept them from being made.
    """

    written = Signal(object)
    errored = Signal(object)

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self._session = session
        self._layer: Any = None
        self._maker = LatestCall(self)
        self.list = _ShortList()
        self.how = ChoiceField([EACH, ONE])
        self.button = QPushButton("Make masks")
        self._lay_out()
        self.list.itemChanged.connect(self._update_state)
        self.button.clicked.connect(self.make)
        self._maker.returned.connect(self._on_made)
        self._maker.errored.connect(self.errored)
        self._update_state()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Values of the classes that are ticked."""
        ticked = (item for item in self.list.entries() if item.checkState() == TICKED)
        return tuple(item.data(VALUE) for item in ticked)

    def set_objects(self, layer: Any, objects: "Objects | None") -> None:
        """List the classes of these objects; what was ticked stays so, new ones are ticked."""
        unticked = {i.data(VALUE) for i in self.list.entries()} - set(self.chosen)
        blocked = self.list.blockSignals(True)
        self.list.clear()
        for known, count in occurring(objects):
            item = QListWidgetItem(f"{known.name} ({count:,})", self.list)
            item.setData(VALUE, known.value)
            item.setCheckState(UNTICKED if known.value in unticked else TICKED)
        self.list.blockSignals(blocked)
        self.list.updateGeometry()
        self._layer = layer
        self._update_state()

    def make(self) -> None:
        """Make the masks of the ticked classes in the background."""
        layer = self._layer and self._layer()
        objects = layer and self._session.objects_of(layer)
        if objects and self.chosen:
            as_one = self.how.value() == ONE
            self._maker.ask(combine, layer, objects, self.chosen, as_one=as_one)

    def _on_made(self, made: Any) -> None:
        if self._session.viewer is not None:
            self.written.emit(_show(self._session.viewer, *made))

    def _update_state(self) -> None:
        self.button.setEnabled(bool(self.chosen))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(self.how)
        row.addWidget(self.button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(row)


VALUE = Qt.ItemDataRole.UserRole
TICKED, UNTICKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class _ShortList(QListWidget):
    """As high as its entries, up to a few."""

    def entries(self) -> list[QListWidgetItem]:
        """All of them."""
        return [self.item(i) for i in range(self.count())]

    def sizeHint(self) -> QSize:
        """Room for the entries there are."""
        row = max(self.sizeHintForRow(0), self.fontMetrics().height())
        height = row * min(max(self.count(), 1), ROWS) + 2 * self.frameWidth() + 2
        return QSize(super().sizeHint().width(), height)

    def minimumSizeHint(self) -> QSize:
        """The same height."""
        return QSize(super().minimumSizeHint().width(), self.sizeHint().height())


def occurring(objects: "Objects | None") -> list[tuple[LabelClass, int]]:
    """The classes of which there are objects, each with their number."""
    if objects is None:
        return []
    values, counts = np.unique(objects.values[1:], return_counts=True)
    known = {c.value: c for c in objects.classes}
    return [(known[int(v)], int(n)) for v, n in zip(values, counts, strict=True)]


def combine(
    layer: Any, objects: "Objects", chosen: Sequence[int], *, as_one: bool
) -> tuple[Any, str, NDArray[Any], tuple[LabelClass, ...]]:
    """Masks of classes, with their axes and what their values mean; slow for large images."""
    labels = objects.combined(chosen, as_one=as_one)
    things = [c for c in objects.classes if c.value in chosen]
    if as_one:
        things = [LabelClass(1, _listed(things), things[0].color)]
    return layer, objects.image.label_axes, labels, (objects.classes[0], *things)


def _show(
    viewer: Any, layer: Any, axes: str, labels: NDArray[Any], classes: Sequence[LabelClass]
) -> Any:
    """A layer of these masks; pressed again for the same ones, they are updated."""
    made, things = layer.metadata.get("segkit", {}), classes[1:]
    source = snapshot(layer, pixels=False)
    return write_labels(
        viewer,
        source,
        labels,
        classes=classes,
        provenance={k: v for k, v in made.items() if k not in ("classes", "fingerprint")},
        axes=axes,
        name=f"{source.name}: {_listed(things)}",
        kind=f"masks of {[(c.value, c.name) for c in things]}",
    )


def _listed(classes: Sequence[LabelClass]) -> str:
    names = [c.name for c in classes]
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
