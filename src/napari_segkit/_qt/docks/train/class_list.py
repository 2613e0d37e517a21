"""List of painted classes: name, colour, number of pixels."""

from dataclasses import replace
from functools import partial

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.layer_classes import (
    PINNED_AT_MOST,
    can_erase,
    erase,
    free_value,
    pin_colors,
    read_classes,
    write_classes,
)
from napari_segkit._qt.layers.layer_watcher import Listener, emitters_of
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.widgets.class_table import MAX_ROWS, ClassTable
from napari_segkit._qt.widgets.dock import stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.question import Question
from napari_segkit.images.classes import LabelClass, classes_of, default_color

READ_ONLY = "The pixels of this layer cannot be edited: it is read-only, multiscale or lazy."
BACKGROUND = "Erased pixels become class 0, so class 0 cannot be removed."
ADD = "Add a class with the lowest free label value and select its brush."
REMOVE = "Remove the selected class; asks before painted pixels are erased."


class ClassList(QWidget):
    """Classes of a Labels layer; a click selects a class for painting."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.layer: Labels | None = None
        self.counts: dict[int, int] = {}
        self._counted = False
        self._session = session
        self._unlabelled: int | None = 0
        self._to_remove = 0
        self.table = ClassTable()
        self.question = Question(self)
        self.add_button = QPushButton("Add class", toolTip=ADD)
        self.remove_button = QPushButton("Remove class")
        self._counter = LatestCall(self)
        self._brush_events = Listener(self, self._on_brush)
        self._class_events = Listener(self, self._refresh)
        stack(self, self.table, self.question, (self.add_button, self.remove_button))
        self.table.chosen.connect(self.choose)
        self.table.renamed.connect(self.rename)
        self.add_button.clicked.connect(self._on_add)
        self.remove_button.clicked.connect(self._on_remove)
        self._counter.returned.connect(self._on_counted)
        self._counter.errored.connect(self._on_error)
        self._refresh()

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Named or painted classes, sorted by value."""
        return self._read()

    def set_layer(self, layer: Labels | None) -> None:
        if layer is self.layer:
            return
        self.layer = layer
        self._brush_events.listen(emitters_of(layer, "selected_label"))
        self._class_events.listen(emitters_of(layer, "colormap", "features"))
        self.question.close_question()
        self.table.stop_editing()
        self.set_counts(None, self._unlabelled)

    def set_counts(self, counts: dict[int, int] | None, unlabelled: int | None) -> None:
        """Show the number of pixels of each class; None: they are not counted."""
        self.counts, self._counted = dict(counts or {}), counts is not None
        self._unlabelled = unlabelled
        self._refresh()

    def add(self, name: str | None = None) -> int:
        """Add a class with the lowest free value, select its brush and return the value."""
        value = free_value(self.layer, self.classes, self._unlabelled)
        self._write(LabelClass(value, name or f"class {value}", default_color(value)))
        self.choose(value)
        return value

    def rename(self, value: int, name: str) -> None:
        self._write(replace(*classes_of(self.layer, [value]), name=name))

    def choose(self, value: int) -> None:
        """Select a class as brush, and its layer for painting."""
        if self.layer is None:
            return
        self.layer.selected_label = value
        self.layer.mode = "paint"
        viewer = self._session.viewer
        if viewer is not None and self.layer in viewer.layers:
            viewer.layers.selection.active = self.layer

    def remove(self, value: int) -> None:
        """Remove a class if possible; ask first if it has painted pixels."""
        if not removal_problem(self.layer, value, self._unlabelled):
            self._counter.submit(partial(count_pixels, self.layer, value))

    def pin_colors(self) -> None:
        """Store the colours on screen, so that predictions have the same; not for instance ids."""
        if self.layer is not None:
            pin_colors(self.layer, self._read(PINNED_AT_MOST + 1), self._unlabelled)

    def _read(self, at_most: int | None = None) -> tuple[LabelClass, ...]:
        if self.layer is None:
            return ()
        return read_classes(self.layer, self.counts, without=self._unlabelled, at_most=at_most)

    def _on_counted(self, counted: tuple[Labels, int, int]) -> None:
        layer, value, pixels = counted
        if layer is not self.layer:
            return
        if not pixels:
            self._delete(value)
            return
        (label_class,) = classes_of(layer, [value])
        self._to_remove = value
        erased = "" if self._unlabelled is not None else " Its pixels become 0, the background."
        self.question.ask(
            f"{label_class.name} has {pixels:,} painted pixels. Remove it?{erased}",
            {"Remove and erase": self._erase, "Keep the class": self.question.close_question},
        )

    def _on_error(self, error: BaseException) -> None:
        text = error_text(error, "Counting the pixels of the class")
        self.question.ask(text, {"Close": self.question.close_question})

    def _erase(self) -> None:
        if not removal_problem(self.layer, self._to_remove, self._unlabelled):
            erase(self.layer, self._to_remove, self._unlabelled or 0)
            self.counts.pop(self._to_remove, None)
            self._delete(self._to_remove)

    def _delete(self, value: int) -> None:
        write_classes(self.layer, (), forget=[value])
        self._refresh()

    def _write(self, changed: LabelClass) -> None:
        """Store one class and the others listed; not the others if there are too many."""
        listed = {c.value: c for c in read_classes(self.layer, self.counts, at_most=MAX_ROWS)}
        others = listed if len(listed) <= PINNED_AT_MOST else {}
        classes = others | {changed.value: changed}
        write_classes(self.layer, classes.values(), unlabelled=self._unlabelled)
        self._refresh()

    def _on_add(self) -> None:
        self.add()

    def _on_remove(self) -> None:
        value = self.table.current_value()
        if value is not None:
            self.remove(value)

    def _on_brush(self) -> None:
        if self.layer is not None:
            self.table.select_value(self.layer.selected_label)
            self._update_state()

    def _refresh(self) -> None:
        counts = self.counts if self._counted else None
        self.table.show_classes(self._read(MAX_ROWS), counts)
        self._update_state()
        self._on_brush()

    def _update_state(self) -> None:
        self.add_button.setEnabled(self.layer is not None)
        value = self.table.current_value()
        reason = "" if value is None else removal_problem(self.layer, value, self._unlabelled)
        self.remove_button.setEnabled(value is not None and not reason)
        self.remove_button.setToolTip(reason or REMOVE)


def removal_problem(layer: Labels, value: int, unlabelled: int | None) -> str:
    """Why a class cannot be removed, empty if it can."""
    if not can_erase(layer):
        return READ_ONLY
    return BACKGROUND if value == 0 and unlabelled is None else ""


def count_pixels(layer: Labels, value: int) -> tuple[Labels, int, int]:
    """Return the layer, the value and its number of pixels."""
    return layer, value, int(np.count_nonzero(layer.data == value))
