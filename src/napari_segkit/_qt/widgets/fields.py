"""One widget for one declared value: each has `value`, `set_value` and `changed`."""

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
EXACT = 30  # decimals that keep every float between 1e-12 and FLOAT_MAX as it is
STEPS_UP = 8


class NoWheel:
    """A box that the wheel, on its way down the dock, does not change."""

    def wheelEvent(self: Any, event: Any) -> None:
        """Let the wheel scroll the dock, unless this box was clicked before."""
        if self.hasFocus():
            super().wheelEvent(event)  # type: ignore[misc]
        else:
            event.ignore()


class _Number(NoWheel):
    """What both spin boxes do: tell of a number once it is complete."""

    def set_up(self: Any, limits: dict[str, Any], largest: float) -> None:
        """Apply the declared limits."""
        self.setRange(limits.get("min", -largest), limits.get("max", largest))
        self.setSingleStep(limits.get("step", 1))
        self.setKeyboardTracking(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.valueChanged.connect(self.changed)

    def set_value(self: Any, value: float) -> None:
        """Show a number."""
        self.setValue(value)


class IntField(_Number, QSpinBox):
    """A whole number."""

    changed = Signal()

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__()
        self.set_up(limits, INT_MAX)

    def value(self) -> int:
        """The number, also where it is still being typed."""
        self.interpretText()
        return super().value()


class FloatField(_Number, QDoubleSpinBox):
    """A number shown with all its digits, so that 3e-4 never looks like 0.0."""

    changed = Signal()

    def __init__(self, limits: dict[str, Any]) -> None:
        super().__init__()
        self.setDecimals(EXACT)
        self.set_up(limits, FLOAT_MAX)

    def value(self) -> float:
        """The number, also where it is still being typed."""
        self.interpretText()
        return super().value()

    def textFromValue(self, value: float) -> str:
        """Write it as Python does."""
        return repr(value)

    def valueFromText(self, text: str) -> float:
        """Read 0.001, 1e-3 and 0,001 alike."""
        return float(text.replace(",", "."))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Take what is a number within the limits; let the rest be typed on."""
        try:
            fits = self.minimum() <= self.valueFromText(text) <= self.maximum()
        except ValueError:
            fits = False
        state = QValidator.State.Acceptable if fits else QValidator.State.Intermediate
        return state, text, position

    def stepBy(self, steps: int) -> None:
        """Step without the binary fractions that adding leaves behind."""
        self.setValue(float(f"{self.value() + steps * self.singleStep():.9g}"))


class BoolField(QCheckBox):
    """Yes or no."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.toggled.connect(self.changed)

    def value(self) -> bool:
        """Whether it is ticked."""
        return self.isChecked()

    def set_value(self, value: bool) -> None:
        """Tick it or not."""
        self.setChecked(value)


class TextField(QLineEdit):
    """A line of text."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.textChanged.connect(self.changed)

    def value(self) -> str:
        """The text."""
        return self.text()

    def set_value(self, value: str) -> None:
        """Show a text."""
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
        """The chosen text."""
        return self.currentText()

    def set_value(self, value: str) -> None:
        """Choose a text; one that was not offered so far, for instance by a file, is added."""
        if self.findText(value) < 0:
            self.addItem(value)
        self.setCurrentText(value)

    def set_choices(self, choices: Sequence[str]) -> None:
        """Offer other texts; the chosen one stays chosen where it is among them."""
        before = self.value()
        blocked = self.blockSignals(True)
        self.clear()
        self.addItems(choices)
        self.setCurrentIndex(max(self.findText(before), 0))
        self.blockSignals(blocked)
        if self.value() != before:
            self.changed.emit()


def refuse(box: QComboBox, reasons: Mapping[str, str]) -> None:
    """Grey out the entries of a box that cannot be chosen now.

    Parameters
    ----------
    box : QComboBox
        What is chosen in it stays chosen.
    reasons : mapping
        From the text of an entry to the sentence that its tooltip shows.
    """
    for item in map(box.model().item, range(box.count())):  # type: ignore[attr-defined]
        item.setEnabled(item.text() not in reasons)
        item.setToolTip(reasons.get(item.text(), ""))


class OptionalField(QWidget):
    """A value behind a check box: None where it is off."""

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
        """A number that does not count is not shown: it would look like the default."""
        self.switch.setText("" if on else "not set")
        self.inner.setEnabled(on)
        if self.inner.parent() is not None:
            self.inner.setVisible(on)

    def value(self) -> Any:
        """The value, or None."""
        return self.inner.value() if self.switch.isChecked() else None

    def set_value(self, value: Any) -> None:
        """Show a value; None switches it off."""
        if value is not None:
            self.inner.set_value(value)
        self.switch.setChecked(value is not None)


def make_field(hint: Any, limits: dict[str, Any]) -> Any:
    """Make the widget for a declared value.

    Parameters
    ----------
    hint : type
        int, float, bool, str, a Literal of texts, or one of these ``| None``.
    limits : dict
        `min`, `max` and `step` as declared.

    Returns
    -------
    QWidget
        With `value()`, `set_value(value)` and the signal `changed`.
    """
    options = [o for o in get_args(hint) if o is not type(None)]
    if type(None) in get_args(hint):
        inner = make_field(options[0], limits)
        if options[0] in (int, float):
            inner.set_value(_start(limits))
        return OptionalField(inner)
    if get_origin(hint) is Literal:
        return ChoiceField(options)
    return {
        int: lambda: IntField(limits),
        float: lambda: FloatField(limits),
        bool: BoolField,
        str: TextField,
    }[hint]()


def _start(limits: dict[str, Any]) -> float:
    """Where an optional number starts when it is switched on: a round one above the least."""
    least, step = limits.get("min", 0), limits.get("step", 1)
    return step * round(STEPS_UP * (least + step) / step)  # type: ignore[no-any-return]
