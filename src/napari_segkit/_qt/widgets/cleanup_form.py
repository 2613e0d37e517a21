"""Form for the clean-up of each class, edited one class at a time."""

from collections.abc import Sequence

from magicgui.widgets.bases import ValuedContainerWidget
from qtpy.QtWidgets import QWidget

from napari_segkit.config import CleanConfig
from napari_segkit.images.classes import LabelClass

from .choice import Choice
from .class_table import swatch
from .dock import Note
from .forms import Form, tooltips
from .section import Section, form_layout

CLEAN_UP_TIP = "<p>Correct the labels of each class: fill holes, remove small components.</p>"
LETTERS = 12


class ClassChoice(Choice):
    """Combo box of classes with their colours."""

    def __init__(self, tooltip: str) -> None:
        super().__init__(letters=LETTERS, tooltip=tooltip)

    def show_classes(self, classes: Sequence[LabelClass]) -> None:
        """Offer these classes; the chosen one stays chosen if it is among them."""
        with self.changed.blocked():
            self.offer([(f"{c.value}  {c.name}", c.value) for c in classes])
        for index, label_class in enumerate(classes):
            self.native.setItemIcon(index, swatch(label_class.color))

    def select(self, before: object) -> None:
        """Keep the chosen class; otherwise choose the first one that is not background."""
        listed = before in self.choices
        super().select(before if listed else next(filter(None, self.choices), None))


class CleanField(ValuedContainerWidget):
    """Field for `RefineConfig.clean`: the clean-up of all classes."""

    wide = True

    def __init__(self) -> None:
        self._classes: tuple[LabelClass, ...] = ()
        self._unit = ""
        self._by_value: dict[int, CleanConfig] = {}
        self.choice = ClassChoice(tooltips(CleanConfig)["value"])
        self.form = Form(CleanConfig, hide={"value"}, lazy=True)
        self.unit = Note()
        super().__init__(labels=False)
        self._lay_out()
        self.choice.changed.connect(self._show_class)
        self.form.changed.connect(self._on_form)
        self._update_choice()

    def get_value(self) -> tuple[CleanConfig, ...]:
        """Clean-up of every class that has any, in the order of editing."""
        return tuple(clean for clean in self._by_value.values() if _has_effect(clean))

    def set_value(self, cleans: Sequence[CleanConfig]) -> None:
        self._by_value = {clean.value: clean for clean in cleans}
        self._update_choice()
        self._show_class()
        self.changed.emit(self.value)

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
        self.section.setEnabled(len(self.choice) > 0)
        self._update_title()

    def _update_title(self) -> None:
        """List the classes with a clean-up, as only one of them is visible."""
        names = {c.value: c.name for c in self._classes}
        cleaned = [names.get(c.value, str(c.value)) for c in self.value]
        self.section.set_title(f"Clean up ({', '.join(cleaned)})" if cleaned else "Clean up")

    def _show_class(self) -> None:
        value = self.choice.value
        if value is not None:
            with self.form.changed.blocked():
                self.form.value = self._by_value.get(value, CleanConfig(value=value))

    def _on_form(self) -> None:
        clean = self.form.value
        self._by_value[clean.value] = clean
        self._update_title()
        self.changed.emit(self.value)

    def _lay_out(self) -> None:
        content = QWidget()
        rows = form_layout(content)
        rows.addRow("Class", self.choice.native)
        rows.addRow(self.form.native)
        rows.addRow(self.unit)
        self.section = Section("Clean up", content, CLEAN_UP_TIP)
        self.section.toggled.connect(self.form.build)
        self.margins = 0, 0, 0, 0
        self.native.layout().addWidget(self.section)


def _has_effect(clean: CleanConfig) -> bool:
    return clean != CleanConfig(value=clean.value)
