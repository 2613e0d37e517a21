"""The form of a recipe: how probabilities are smoothed, and what is tidied afterwards."""

from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import config_fields
from napari_segkit.images.classes import LabelClass

from .cleanup_form import CleanField
from .fields import ChoiceField
from .forms import Form

NONE = "none"
SMOOTHERS: dict[str, Any] = {
    name: kind for name, (kind, _) in config_fields(RefineConfig).items() if is_dataclass(kind)
}


class MethodField(ChoiceField):
    """One of the methods, or none."""

    def __init__(self) -> None:
        super().__init__([NONE, *SMOOTHERS])

    def value(self) -> Any:
        """The method, None where there is none."""
        text = super().value()
        return None if text == NONE else text

    def set_value(self, value: str | None) -> None:
        """Choose a method, or none."""
        super().set_value(value or NONE)


class MethodForm(QWidget):
    """The form of one method, a row of its own in the form that holds it.

    Parameters
    ----------
    config_class : type
        What it is the form of.
    """

    wide = True
    changed = Signal()

    def __init__(self, config_class: type) -> None:
        super().__init__()
        self.form = Form(config_class)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.form)
        self.form.changed.connect(self.changed)
        self.value, self.set_value = self.form.value, self.form.set_value


class RefineForm(Form):
    """A recipe: a method with its numbers, and the clean-up of classes."""

    def __init__(self) -> None:
        self.method = MethodField()
        self.parts = {name: MethodForm(kind) for name, kind in SMOOTHERS.items()}
        self.clean = CleanField()
        own = {"method": self.method, **self.parts, "clean": self.clean}
        super().__init__(RefineConfig, widgets=own)
        self.label("method").setText("Smooth by")
        self._show_chosen()

    def set_classes(self, classes: Sequence[LabelClass], unit: str = "") -> None:
        """Offer these classes for the clean-up; `unit` is what its sizes are in."""
        self.clean.set_classes(classes, unit)

    def _on_field(self) -> None:
        self._show_chosen()
        super()._on_field()

    def _show_chosen(self) -> None:
        for name, part in self.parts.items():
            part.setVisible(name == self.method.value())


def cleanup_classes(segmenter: Any) -> tuple[LabelClass, ...]:
    """The classes of a model's results that a clean-up can be for: none that objects have."""
    trained = segmenter.trained
    if trained is None:
        return ()
    semantic = trained.kind == "semantic"
    return segmenter.classes if semantic else segmenter.classes[len(trained.classes) :]


def unit_of(layer: Any) -> str:
    """What a layer's sizes are in; nothing without a layer."""
    return "" if layer is None else str(layer.units[-1])
