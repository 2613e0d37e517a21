"""The classes that a person paints: name, colour, pixels; a click takes the brush."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_segkit._qt.layers.layer_classes import (
    PINNED_AT_MOST,
    can_erase,
    erase,
    free_value,
    pin_colors,
    read_classes,
    write_classes,
)
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.widgets.class_table import SHOWN, ClassTable
from napari_segkit._qt.widgets.question import Question
from napari_segkit.images.classes import LabelClass, classes_of, default_color

if TYPE_CHECKING:
    from napari_segkit._qt.session.session import Session

FIXED = "The pixels of this layer cannot be edited: it is read-only, multiscale or not in memory."
BACKGROUND = "Erased pixels become class 0, so it cannot be removed."


class ClassList(QWidget):
    """The classes of one Labels layer.

    Parameters
    ----------
    session : Session
        Whose viewer holds the layer.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__()
        self.layer: Any = None
        self.counts: dict[int, int] = {}
        self._session = session
        self._unlabelled: int | None = 0
        self._doomed = 0
        self.table = ClassTable()
        self.question = Question(self)
        self.add_button = QPushButton("Add class")
        self.remove_button = QPushButton("Remove class")
        self._finder = LatestCall(self)
        self._lay_out()
        self.table.chosen.connect(self.choose)
        self.table.renamed.connect(self.rename)
        self.add_button.clicked.connect(self._on_add)
        self.remove_button.clicked.connect(self._on_remove)
        self._finder.returned.connect(self._on_found)
        self._refresh()

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes, named or painted, in the order of their values."""
        return self._read()

    def set_layer(self, layer: Labels | None) -> None:
        """Show the classes of another layer."""
        if layer is self.layer:
            return
        self._listen("disconnect")
        self.layer = layer
        self._listen("connect")
        self.question.close_question()
        self.table.stop_editing()
        self.set_counts({}, self._unlabelled)

    def set_counts(self, counts: dict[int, int], unlabelled: int | None) -> None:
        """Show how many pixels each class has."""
        self.counts = dict(counts)
        self._unlabelled = unlabelled
        self._refresh()

    def add(self, name: str | None = None) -> int:
        """Add a class and take its brush; its value, the lowest that is free, is returned."""
        value = free_value(self.layer, self.classes, self._unlabelled)
        self._write(LabelClass(value, name or f"class {value}", default_color(value)))
        self.choose(value)
        return value

    def rename(self, value: int, name: str) -> None:
        """Give a class another name."""
        self._write(replace(*classes_of(self.layer, [value]), name=name))

    def choose(self, value: int) -> None:
        """Take the brush of a class: the next stroke on the canvas paints it."""
        if self.layer is None:
            return
        self.layer.selected_label = value
        self.layer.mode = "paint"
        viewer = self._session.viewer
        if viewer is not None and self.layer in viewer.layers:
            viewer.layers.selection.active = self.layer

    def remove(self, value: int) -> None:
        """Remove a class if that can be done; where it is painted, ask first."""
        if not why_kept(self.layer, value, self._unlabelled):
            self._finder.ask(find_pixels, self.layer, value)

    def pin_colors(self) -> None:
        """Fix the colours on screen as the classes' own, so that a prediction looks the same.

        Not where other values are painted, as on objects that are learned as one class.
        """
        if self.layer is not None:
            pin_colors(self.layer, self._read(PINNED_AT_MOST + 1), self._unlabelled)

    def _listen(self, action: str) -> None:
        """Connect to the layer's events, or disconnect."""
        if self.layer is not None:
            events = self.layer.events
            getattr(events.selected_label, action)(self._on_brush)
            for emitter in (events.colormap, events.features):
                getattr(emitter, action)(self._refresh)

    def _read(self, at_most: int | None = None) -> tuple[LabelClass, ...]:
        if self.layer is None:
            return ()
        return read_classes(self.layer, self.counts, without=self._unlabelled, at_most=at_most)

    def _on_found(self, found: tuple[Labels, int, int]) -> None:
        layer, value, pixels = found
        if layer is not self.layer:
            return
        if not pixels:
            self._forget(value)
            return
        (known,) = classes_of(layer, [value])
        self._doomed = value
        become = "" if self._unlabelled is not None else " Erased, they become 0, the background."
        self.question.ask(
            f"{known.name} has {pixels:,} painted pixels. Remove it?{become}",
            {"Erase them too": self._erase, "Keep the class": self.question.close_question},
        )

    def _erase(self) -> None:
        if not why_kept(self.layer, self._doomed, self._unlabelled):
            erase(self.layer, self._doomed, self._unlabelled or 0)
            self.counts.pop(self._doomed, None)
            self._forget(self._doomed)

    def _forget(self, value: int) -> None:
        write_classes(self.layer, (), forget=[value])
        self._refresh()

    def _write(self, changed: LabelClass) -> None:
        """Write one class, and with it those that a person sees; objects are left alone."""
        known = {c.value: c for c in read_classes(self.layer, self.counts, at_most=SHOWN)}
        few = known if len(known) <= PINNED_AT_MOST else {}
        every = few | {changed.value: changed}
        write_classes(self.layer, every.values(), unlabelled=self._unlabelled)
        self._refresh()

    def _on_add(self) -> None:
        self.add()

    def _on_remove(self) -> None:
        value = self.table.current_value()
        if value is not None:
            self.remove(value)

    def _on_brush(self) -> None:
        if isalive(self) and self.layer is not None:
            self.table.show_chosen(self.layer.selected_label)
            self._update_state()

    def _refresh(self) -> None:
        if isalive(self):
            self.table.show_classes(self._read(SHOWN), self.counts)
            self._update_state()
            self._on_brush()

    def _update_state(self) -> None:
        self.add_button.setEnabled(self.layer is not None)
        value = self.table.current_value()
        reason = "" if value is None else why_kept(self.layer, value, self._unlabelled)
        self.remove_button.setEnabled(value is not None and not reason)
        self.remove_button.setToolTip(reason)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table)
        column.addWidget(self.question)
        column.addLayout(buttons)


def why_kept(layer: Any, value: int, unlabelled: int | None) -> str:
    """Why a class cannot be removed; empty where it can."""
    if not can_erase(layer):
        return FIXED
    return BACKGROUND if value == 0 and unlabelled is None else ""


def find_pixels(layer: Labels, value: int) -> tuple[Labels, int, int]:
    """How often a value is painted: the layer, the value, its number of pixels."""
    return layer, value, int(np.count_nonzero(layer.data == value))
