"""The classes that a person paints: name, colour, pixels; a click takes the brush."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_segkit.data.classes import LabelClass, classes_of, default_color

from .background import Latest
from .class_table import ClassTable
from .layer_classes import free_value, read_classes, write_classes
from .question import Question

if TYPE_CHECKING:
    from .session import Session

Pixels = tuple[NDArray[np.intp], ...]
PINNED_AT_MOST = 50  # more values than a person paints: the layer keeps its own colours


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
        self._doomed: tuple[int, Pixels] = (0, ())
        self.table = ClassTable()
        self.question = Question(self)
        self.add_button = QPushButton("Add class")
        self.remove_button = QPushButton("Remove class")
        self._finder = Latest(self)
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
        found = read_classes(self.layer, self.counts) if self.layer is not None else ()
        return tuple(c for c in found if c.value != self._unlabelled)

    def set_layer(self, layer: Labels | None) -> None:
        """Show the classes of another layer."""
        if layer is self.layer:
            return
        self._listen("disconnect")
        self.layer = layer
        self._listen("connect")
        self.question.close_question()
        self.set_counts({}, self._unlabelled)

    def set_counts(self, counts: dict[int, int], unlabelled: int | None) -> None:
        """Show how many pixels each class has."""
        self.counts = dict(counts)
        self._unlabelled = unlabelled
        self._refresh()

    def add(self, name: str | None = None) -> int:
        """Add a class and take its brush; its value, the lowest that is free, is returned."""
        value = free_value(self.classes, self._unlabelled)
        added = LabelClass(value, name or f"class {value}", default_color(value))
        self._write([*self.classes, added])
        self.choose(value)
        return value

    def rename(self, value: int, name: str) -> None:
        """Give a class another name."""
        self._write(replace(c, name=name) if c.value == value else c for c in self.classes)

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
        """Remove a class; where it is painted, ask first."""
        self._finder.ask(find_pixels, self.layer, value)

    def pin_colors(self) -> None:
        """Fix the colours on screen as the classes' own, so that a prediction looks the same."""
        if self.layer is not None and 0 < len(self.classes) <= PINNED_AT_MOST:
            self._write(self.classes)

    def _listen(self, action: str) -> None:
        """Connect to the layer's events, or disconnect."""
        if self.layer is not None:
            events = self.layer.events
            getattr(events.selected_label, action)(self._on_brush)
            for emitter in (events.colormap, events.features):
                getattr(emitter, action)(self._refresh)

    def _on_found(self, found: tuple[Labels, int, Pixels]) -> None:
        layer, value, pixels = found
        if layer is not self.layer:
            return
        if not len(pixels[0]):
            self._forget(value)
            return
        (known,) = classes_of(layer, [value])
        self._doomed = value, pixels
        self.question.ask(
            f"{known.name} has {len(pixels[0]):,} painted pixels. Remove it?",
            {"Erase them too": self._erase, "Keep the class": self.question.close_question},
        )

    def _erase(self) -> None:
        value, pixels = self._doomed
        self.layer.data_setitem(pixels, self._unlabelled or 0)
        self.counts.pop(value, None)
        self._forget(value)

    def _forget(self, value: int) -> None:
        self._write(c for c in self.classes if c.value != value)

    def _write(self, classes: Iterable[LabelClass]) -> None:
        write_classes(self.layer, sorted(classes, key=lambda c: c.value))
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
            self.table.show_classes(self.classes, self.counts)
            self._update_state()
            self._on_brush()

    def _update_state(self) -> None:
        self.add_button.setEnabled(self.layer is not None)
        self.remove_button.setEnabled(self.table.current_value() is not None)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.table)
        column.addWidget(self.question)
        column.addLayout(buttons)


def find_pixels(layer: Labels, value: int) -> tuple[Labels, int, Pixels]:
    """Where a value is painted: the layer, the value, the indices of its pixels."""
    return layer, value, np.nonzero(np.asarray(layer.data) == value)
