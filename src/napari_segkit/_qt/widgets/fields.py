"""Widgets of single configuration values, where magicgui has none that keeps them exactly."""

from collections.abc import Mapping
from typing import Any, Unpack

from magicgui.backends._qtpy.widgets import QBaseRangedWidget
from magicgui.widgets import CheckBox, LineEdit, Widget
from magicgui.widgets.bases import RangedWidget, ValuedContainerWidget
from qtpy.QtCore import Qt
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox

from napari_segkit.config._schema import ConfigField, Limits, from_text
from napari_segkit.config.options import Options, options_from_text, options_to_text

from .choice import Choice, WheelFilter

INT_MAX = 2**31 - 1
FLOAT_MAX = 1e12
DECIMALS = 30  # keep every float between 1e-12 and FLOAT_MAX exact
STEPS_ABOVE_MIN = 8
NONE = "none"


class Number(RangedWidget):
    """Spin box of an int or float, exact: it shows all digits, such as 0.0003 or 1e-07."""

    def __init__(self, kind: type = float, **limits: Unpack[Limits]) -> None:
        largest, decimals = (FLOAT_MAX, DECIMALS) if kind is float else (INT_MAX, 0)
        super().__init__(
            widget_type=_NumberBackend,
            backend_kwargs={"decimals": decimals},
            **{"min": 0, "max": largest, "step": 1} | limits,
        )

    def _on_value_change(self, value: float) -> None:
        """Emit an int as such."""
        super()._on_value_change(self.value)


class _NumberBackend(QBaseRangedWidget):
    """What magicgui needs of a spin box."""

    def __init__(self, decimals: int, **kwargs: object) -> None:
        super().__init__(_SpinBox, **kwargs)
        self._qwidget.setDecimals(decimals)


class _SpinBox(QDoubleSpinBox):
    """Emits once a number is complete; without decimals it holds integers."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.setKeyboardTracking(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.installEventFilter(WheelFilter(self))

    def value(self) -> float:
        """The number, even while it is being typed."""
        self.interpretText()
        return self._number(super().value())

    def textFromValue(self, value: float) -> str:
        return repr(self._number(value))

    def valueFromText(self, text: str) -> float:
        """Read 0.001, 1e-3 and 0,001."""
        return float(self._number(text.replace(",", ".")))

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
        self.setValue(float(f"{self.value() + steps * self.singleStep():.12g}"))

    def _number(self, value: float | str) -> float:
        return float(value) if self.decimals() else int(value)


class Line(LineEdit):
    """A line of text that counts when it is complete: after Return, or when the focus leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.native.editingFinished.connect(lambda: self.changed.emit(self.value))

    def set_value(self, value: Any) -> None:
        super().set_value(self._text(value))
        self.changed.emit(self.value)

    def _on_value_change(self, value: object) -> None:
        """Say nothing while a person types."""

    def _text(self, value: Any) -> str:
        return str(value)


class Numbers(Line):
    """A number or several with commas, such as "320" or "320, 480"; else the text as it is."""

    def __init__(self, declared: ConfigField) -> None:
        self._declared = declared
        super().__init__()

    def get_value(self) -> object:
        text = super().get_value()
        try:
            return from_text(self._declared, text)
        except ValueError:
            return text

    def _text(self, value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class NamedValues(Line):
    """Names with values, such as "decoder_dropout=0.2; encoder_depth=4".

    A text that is incomplete is a name without a value, which whoever uses the values refuses.
    """

    def get_value(self) -> Options:
        text = super().get_value()
        try:
            return Options(options_from_text(text))
        except ValueError:
            return Options({text: None})

    def _text(self, value: Any) -> str:
        return options_to_text(value)


class OptionalField(ValuedContainerWidget):
    """A check box and a value; None where it is unchecked."""

    def __init__(self, inner: Widget) -> None:
        self.inner, self.switch = inner, CheckBox()
        super().__init__(widgets=[self.switch, inner], layout="horizontal", labels=False)
        self.margins = 0, 0, 0, 0
        self.native.layout().setStretch(1, 1)
        self.switch.changed.connect(self._on_switch)
        inner.changed.connect(self._on_inner)
        self._show_inner()

    def get_value(self) -> object:
        return self.inner.value if self.switch.value else None

    def set_value(self, value: object) -> None:
        if value is not None:
            self.inner.value = value
        self.switch.value = value is not None

    def _on_switch(self) -> None:
        self._show_inner()
        self.changed.emit(self.value)

    def _on_inner(self) -> None:
        if self.switch.value:
            self.changed.emit(self.value)

    def _show_inner(self) -> None:
        """Hide the value while it is off: it would look like the default."""
        self.switch.text = "" if self.switch.value else "not set"
        self.inner.visible = self.switch.value


def make_field(declared: ConfigField) -> Widget:
    """Make the widget of a parameter: number(s), bool, text, choice, or one of these or None."""
    if declared.choices:
        none = [(NONE, None)] if declared.optional else []
        return Choice([*none, *((text, text) for text in declared.choices)])
    if declared.kind is bool:
        field = CheckBox()
    elif declared.kind is str:
        field = LineEdit()
    elif declared.kind is Mapping:
        field = NamedValues()
    else:
        is_tuple = declared.kind is tuple
        field = Numbers(declared) if is_tuple else Number(declared.kind, **declared.limits)
        if declared.optional:
            lowest, step = declared.limits["min"], declared.limits.get("step", 1)
            field.value = step * round(STEPS_ABOVE_MIN * (lowest + step) / step)
    return OptionalField(field) if declared.optional else field


def disable_items(box: QComboBox, reasons: Mapping[str, str]) -> None:
    """Disable the entries of a box whose text is in `reasons`, with the reason as tooltip."""
    for item in map(box.model().item, range(box.count())):  # type: ignore[attr-defined]
        item.setEnabled(item.text() not in reasons)
        item.setToolTip(reasons.get(item.text(), ""))
