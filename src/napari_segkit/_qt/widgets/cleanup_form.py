"""Form for the clean-up of each class, edited one class at a time."""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QVBoxLayout, QWidget

from napari_segkit.config import CleanConfig
from napari_segkit.images.classes import LabelClass

from .class_table import swatch
from .dock import Note
from .fields import NoWheel
from .forms import Form, Section, tooltips

CLEAN_UP_TIP = "<p>Correct the labels of each class: fill holes, remove small components.</p>"


class ClassChoice(NoWheel, QComboBox):
    """Combo box of classes with their colours."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)

    def show_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer these classes; the chosen one stays chosen if it is among them."""
        chosen = self.currentData()
        blocked = self.blockSignals(True)
        self.clear()
        for c in classes:
            self.addItem(swatch(c.color), f"{c.value}  {c.name}", c.value)
        current = next((i for i, c in enumerate(classes) if c.value == chosen), None)
        foreground = [i for i, c in enumerate(classes) if c.value]
        self.setCurrentIndex(current if current is not None else (foreground or [0])[0])
        self.blockSignals(blocked)


class CleanField(QWidget):
    """Field for `RefineConfig.clean`: the clean-up of all classes."""

    wide = True
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._classes: tuple[LabelClass, ...] = ()
        self._unit = ""
        self._by_value: dict[int, CleanConfig] = {}
        self.choice = ClassChoice()
        self.form = Form(CleanConfig, hide={"value"})
        self.unit = Note()
        self._lay_out()
        self.choice.currentIndexChanged.connect(self._show_class)
        self.form.changed.connect(self._on_form)
        self._update_choice()

    def value(self) -> tuple[CleanConfig, ...]:
        """Clean-up of every class that has any, in the order of editing."""
        return tuple(clean for clean in self._by_value.values() if _has_effect(clean))

    def set_value(self, cleans: Sequence[CleanConfig]) -> None:
        self._by_value = {clean.value: clean for clean in cleans}
        self._update_choice()
        self._show_class()
        self.changed.emit()

    def set_classes(self, classes: Sequence[LabelClass], unit: str = "") -> None:
        """Offer these classes and those that already have a clean-up."""
        if (tuple(classes), unit) == (self._classes, self._unit):
            return  # keeps a number that is being typed
        self._classes, self._unit = tuple(classes), unit
        note = f"Radii in {unit}s, areas in square {unit}s, volumes in cubic {unit}s."
        self.unit.setText(note if unit else "")
        self._update_choice()
        self._show_class()

    def _update_choice(self) -> None:
        offered = {c.value for c in self._classes}
        others = [LabelClass(v, "not in these labels", "#bbbbbb") for v in self._by_value]
        self.choice.show_classes([*self._classes, *(c for c in others if c.value not in offered)])
        self.section.setEnabled(self.choice.count() > 0)
        self._update_title()

    def _update_title(self) -> None:
        """List the classes with a clean-up, as only one of them is visible."""
        names = {c.value: c.name for c in self._classes}
        cleaned = [names.get(c.value, str(c.value)) for c in self.value()]
        self.section.button.setText(f"Clean up ({', '.join(cleaned)})" if cleaned else "Clean up")

    def _show_class(self) -> None:
        value = self.choice.currentData()
        if value is None:
            return
        blocked = self.form.blockSignals(True)
        self.form.set_value(self._by_value.get(value, CleanConfig(value=value)))
        self.form.blockSignals(blocked)

    def _on_form(self) -> None:
        clean = self.form.value()
        self._by_value[clean.value] = clean
        self._update_title()
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
        self.section.button.setToolTip(CLEAN_UP_TIP)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.section)


def _has_effect(clean: CleanConfig) -> bool:
    return clean != CleanConfig(value=clean.value)
