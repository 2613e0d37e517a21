"""What is tidied in each class: a class at a time, all of them as one value."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_segkit.config import CleanConfig
from napari_segkit.images.classes import LabelClass

from .class_table import swatch
from .dock import Note
from .fields import NoWheel
from .forms import Form, Section, tooltips


class ClassChoice(NoWheel, QComboBox):
    """One of some classes, by name and colour."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)

    def show_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer these classes; the one that was chosen stays so where it is among them."""
        chosen = self.currentData()
        blocked = self.blockSignals(True)
        self.clear()
        for known in classes:
            self.addItem(swatch(known.color), f"{known.value}  {known.name}", known.value)
        kept = next((i for i, c in enumerate(classes) if c.value == chosen), None)
        things = [i for i, c in enumerate(classes) if c.value]  # rather than background
        self.setCurrentIndex(kept if kept is not None else (things or [0])[0])
        self.blockSignals(blocked)


class CleanField(QWidget):
    """The clean-up of classes, as the field `clean` of a recipe.

    Attributes
    ----------
    changed : Signal()
        Something else is tidied.
    """

    wide = True
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._classes: tuple[LabelClass, ...] = ()
        self._unit = ""
        self._cleans: dict[int, CleanConfig] = {}
        self.choice = ClassChoice()
        self.form = Form(CleanConfig, hide={"value"})
        self.unit = Note()
        self._lay_out()
        self.choice.currentIndexChanged.connect(self._show_class)
        self.form.changed.connect(self._on_form)
        self._offer()

    def value(self) -> tuple[CleanConfig, ...]:
        """What is tidied, in the order in which it was set."""
        return tuple(clean for clean in self._cleans.values() if _says_something(clean))

    def set_value(self, cleans: Sequence[CleanConfig]) -> None:
        """Show another clean-up."""
        self._cleans = {clean.value: clean for clean in cleans}
        self._offer()
        self._show_class()
        self.changed.emit()

    def set_classes(self, classes: Sequence[LabelClass], unit: str = "") -> None:
        """Offer these classes, and those that are tidied already."""
        if (tuple(classes), unit) == (self._classes, self._unit):
            return  # a number may be half typed
        self._classes, self._unit = tuple(classes), unit
        sizes = f"Radii in {unit}, areas in {unit}², volumes in {unit}³."
        self.unit.setText(sizes if unit else "")
        self._offer()
        self._show_class()

    def _offer(self) -> None:
        known = {c.value for c in self._classes}
        others = [LabelClass(v, "not in these labels", "#bbbbbb") for v in self._cleans]
        self.choice.show_classes([*self._classes, *(c for c in others if c.value not in known)])
        self.section.setEnabled(self.choice.count() > 0)
        self._say()

    def _say(self) -> None:
        """Name the classes that are tidied: one only is seen at a time."""
        names = {c.value: c.name for c in self._classes}
        tidied = [names.get(c.value, str(c.value)) for c in self.value()]
        self.section.button.setText(f"Clean up ({', '.join(tidied)})" if tidied else "Clean up")

    def _show_class(self) -> None:
        value = self.choice.currentData()
        if value is None:
            return
        blocked = self.form.blockSignals(True)
        self.form.set_value(self._cleans.get(value, CleanConfig(value=value)))
        self.form.blockSignals(blocked)

    def _on_form(self) -> None:
        clean = self.form.value()
        self._cleans[clean.value] = clean
        self._say()
        self.changed.emit()

    def _lay_out(self) -> None:
        content = QWidget()
        rows = QFormLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Class", self.choice)
        rows.addRow(self.form)
        rows.addRow(self.unit)
        self.choice.setToolTip(tooltips(CleanConfig)["value"])
        self.section = Section("Clean up", content)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.section)


def _says_something(clean: Any) -> bool:
    return clean != CleanConfig(value=clean.value)
