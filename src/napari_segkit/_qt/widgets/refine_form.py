"""Form for the refinement settings."""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_segkit.config import RefineConfig
from napari_segkit.config._schema import nested
from napari_segkit.images.classes import LabelClass

from .cleanup_form import CleanField
from .fields import ChoiceField
from .forms import Form

NONE = "none"
SMOOTHERS = nested(RefineConfig)


class MethodField(ChoiceField):
    """One of the smoothing methods; None for "none"."""

    def __init__(self) -> None:
        super().__init__([NONE, *SMOOTHERS])

    def value(self) -> Any:
        text = super().value()
        return None if text == NONE else text

    def set_value(self, value: str | None) -> None:
        super().set_value(value or NONE)


class MethodForm(QWidget):
    """Form of one method, as a row without a label in the surrounding form."""

    wide = True  # a row without a label
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
    """Smoothing method with its settings, and the clean-up of classes."""

    def __init__(self) -> None:
        self.method = MethodField()
        self.method_forms = {name: MethodForm(kind) for name, kind in SMOOTHERS.items()}
        self.clean = CleanField()
        custom = {"method": self.method, **self.method_forms, "clean": self.clean}
        super().__init__(RefineConfig, widgets=custom)
        self.label("method").setText("Smoothing")
        self._show_chosen()

    def set_classes(self, classes: Sequence[LabelClass], unit: str = "") -> None:
        """Offer these classes for the clean-up; `unit` is the unit of its sizes."""
        self.clean.set_classes(classes, unit)

    def _on_field(self) -> None:
        self._show_chosen()
        super()._on_field()

    def _show_chosen(self) -> None:
        for name, form in self.method_forms.items():
            form.setVisible(name == self.method.value())


def cleanup_classes(segmenter: Any) -> tuple[LabelClass, ...]:
    """Classes of a model that can be cleaned up: semantic ones, not those of objects."""
    trained = segmenter.trained
    if trained is None:
        return ()
    semantic = trained.kind == "semantic"
    return segmenter.classes if semantic else segmenter.classes[len(trained.classes) :]


def unit_of(layer: Any) -> str:
    """Length unit of a layer; empty without a layer."""
    return "" if layer is None else str(layer.units[-1])
