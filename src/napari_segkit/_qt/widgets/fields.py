"""Widgets for single configuration values, each with `value`, `set_value` and `changed`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

INT_MAX = 2**31 - 1
FLOAT_MAX = 1e12
DECIMALS = 30  # keep every float between 1e-12 and FLOAT_MAX exact
STEPS_ABOVE_MIN = 8


class NoWheel:
    """Mixin: the mouse wheel scrolls the dock instead of changing an unfocused box."""

    def wheelEvent(self: Any, event: Any) -> None:
        if self.hasFocus():
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class _Number(NoWheel):
    """Mixin of both spin boxes: limits, and `changed` once a number is complete."""

    def set_up(self: Any, limits: dict[str, Any], largest: float) -> None:
        self.setRange(limits.get("min", -largest), limits.get("max", largest))
        self.setSingleStep(limits.get("step", 1))
        self.setKeyboardTracking(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.valueChanged.connect(self.changed)

    def set_value(self: Any, value: float) -> None:
        self.setValue(value)


class IntField(_Number, QSpinBox):
    changed = Signal()

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__()
        self.set_up(limits, INT_MAX)

    def value(self) -> int:
        """The number, even while it is being typed."""
        self.interpretText()
        return super().value()


class FloatField(_Number, QDoubleSpinBox):
    """Spin box that shows all digits of a float, such as 0.0003 or 1e-07."""

    changed = Signal()

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__()
        self.setDecimals(DECIMALS)
        self.set_up(limits, FLOAT_MAX)

    def value(self) -> float:
        """The number, even while it is being typed."""
        self.interpretText()
        return super().value()

    def textFromValue(self, value: float) -> str:
        return repr(value)

    def valueFromText(self, text: str) -> float:
        """Read 0.001, 1e-3 and 0,001."""
        return float(text.replace(",", "."))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers within the limits; anything else may still be completed."""
        try:
            fits = self.minimum() <= self.valueFromText(text) <= self.maximum()
        except ValueError:
            fits = False
        state = QValidator.State.Acceptable if fits else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps: int) -> None:
        """Step without binary rounding errors."""
        self.setValue(float(f"{self.value() + steps * self.singleStep():.9g}"))


class BoolField(QCheckBox):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.toggled.connect(self.changed)

    def value(self) -> bool:
        return self.isChecked()

    def set_value(self, value: bool) -> None:
        self.setChecked(value)


class TextField(QLineEdit):
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.textChanged.connect(self.changed)

    def value(self) -> str:
        return self.text()

    def set_value(self, value: str) -> None:
        self.setText(value)


class ChoiceField(NoWheel, QComboBox):
    """One of a few texts."""

    changed = Signal()

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__()
        self.addItems(choices)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.currentTextChanged.connect(self.changed)

    def value(self) -> str:
        return self.currentText()

    def set_value(self, value: str) -> None:
        """Choose a text; one that is not offered yet, such as one from a file, is added."""
        if self.findText(value) < 0:
            self.addItem(value)
        self.setCurrentText(value)

    def set_choices(self, choices: Sequence[str]) -> None:
        """Offer other texts; the chosen one stays chosen if it is among them."""
        before = self.value()
        blocked = self.blockSignals(True)
        self.clear()
        self.addItems(choices)
        self.setCurrentIndex(max(self.findText(before), 0))
        self.blockSignals(blocked)
        if self.value() != before:
            self.changed.emit()


def disable_items(box: QComboBox, reasons: Mapping[str, str]) -> None:
    """Disable the entries of a box whose text is in `reasons`, with the reason as tooltip."""
    for item in map(box.model().item, range(box.count())):  # type: ignore[attr-defined]
        item.setEnabled(item.text() not in reasons)
        item.setToolTip(reasons.get(item.text(), ""))


class OptionalField(QWidget):
    """A check box and a value; None where it is unchecked."""

    changed = Signal()

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.switch = QCheckBox("not set")
        self.switch.toggled.connect(self._show)
        self.switch.toggled.connect(self.changed)
        self._show(False)
        inner.changed.connect(self.changed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.switch)
        layout.addWidget(inner, 1)
        inner.hide()

    def _show(self, on: bool) -> None:
        """Hide the value while it is off: it would look like the default."""
        self.switch.setText("" if on else "not set")
        self.inner.setEnabled(on)
        if self.inner.parent() is not None:
            self.inner.setVisible(on)

    def value(self) -> Any:
        return self.inner.value() if self.switch.isChecked() else None

    def set_value(self, value: Any) -> None:
        if value is not None:
            self.inner.set_value(value)
        self.switch.setChecked(value is not None)


def make_field(hint: Any, limits: dict[str, Any]) -> Any:
    """Make the widget for int, float, bool, str, a Literal of str, or one of these ``| None``."""
    options = [o for o in get_args(hint) if o is not type(None)]
    if type(None) in get_args(hint):
        inner = make_field(options[0], limits)
        if options[0] in (int, float):
            inner.set_value(_initial_number(limits))
        return OptionalField(inner)
    if get_origin(hint) is Literal:
        return ChoiceField(options)
    return {
        int: lambda: IntField(limits),
        float: lambda: FloatField(limits),
        bool: BoolField,
        str: TextField,
    }[hint]()


def _initial_number(limits: dict[str, Any]) -> float:
    """Start of an optional number: `STEPS_ABOVE_MIN` steps above its minimum."""
    lowest, step = limits.get("min", 0), limits.get("step", 1)
    return step * round(STEPS_ABOVE_MIN * (lowest + step) / step)  # type: ignore[no-any-return]
