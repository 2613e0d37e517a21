"""Forms generated from the configuration dataclasses."""

import html
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_segkit.config._schema import Checked, ConfigField, config_fields

from .fields import make_field


class Section(QWidget):
    """Collapsible section, closed at first."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.button = QToolButton(text=title, checkable=True, autoRaise=True)
        self.button.setToolTip(content.toolTip() or "Show or hide further settings.")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.toggled.connect(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self._show(False)

    def _show(self, opened: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self._content.setVisible(opened)


class Form(QWidget):
    """Form for one configuration dataclass, with its labels, limits, defaults and tooltips.

    `hide` names fields without a widget ("tile.overlap" for a nested one), which keep the value
    that was set; `collapsed` names fields for a closed section "More" at the end. `widgets` gives
    custom widgets by field name, with `value`, `set_value` and `changed`; one with a true
    attribute `wide` takes a row without a label, one with a tooltip keeps it.
    """

    changed = Signal()  # by a person or by `set_value`

    def __init__(
        self,
        config_class: type,
        *,
        hide: Collection[str] = (),
        collapsed: Collection[str] = (),
        widgets: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._config = config_class()
        self._fields: dict[str, Any] = {}
        self.sections: dict[str, Section] = {}  # of nested configurations
        content = QWidget()
        rows, collapsed_rows = _form_layout(self), _form_layout(content)
        custom = widgets or {}
        self._tips = tooltips(config_class)
        for name, declaration in config_fields(config_class).items():
            if name not in hide:
                field = custom[name] if name in custom else _make_widget(name, declaration, hide)
                self._add_field(name, field, collapsed_rows if name in collapsed else rows)
        if collapsed_rows.rowCount():
            section = Section("More", content)
            section.button.setToolTip("<p>Show the settings that rarely need a change.</p>")
            rows.addRow(section)
        self.set_value(self._config)

    def _add_field(self, name: str, field: Any, rows: QFormLayout) -> None:
        field.setObjectName(name)
        self._tips[name] = field.toolTip() or self._tips.get(name, "")
        field.setToolTip(self._tips[name])
        field.changed.connect(self._on_field)
        self._fields[name] = field
        row = _add_row(rows, name, field)
        if isinstance(row, Section):
            self.sections[name] = row

    def _on_field(self) -> None:
        """Hook for forms whose fields depend on each other."""
        self.changed.emit()

    def field(self, name: str) -> Any:
        """Widget of a field that is not hidden."""
        return self._fields[name]

    def label(self, name: str) -> QLabel:
        """Label of a field with a row of its own."""
        field = self._fields[name]
        return field.parentWidget().layout().labelForField(field)  # type: ignore[no-any-return]

    def grey_out(self, names: Collection[str], reason: str) -> None:
        """Disable only these fields, with the reason as tooltip."""
        for name, field in self._fields.items():
            field.setEnabled(name not in names)
            field.setToolTip(reason if name in names else self._tips[name])

    def value(self) -> Any:
        """The configuration shown; ValueError if its values are inconsistent."""
        return replace(self._config, **{n: field.value() for n, field in self._fields.items()})

    def set_value(self, config: Any) -> None:
        self._config = config
        blocked = self.blockSignals(True)
        for name, field in self._fields.items():
            field.set_value(getattr(config, name))
        self.blockSignals(blocked)
        self.changed.emit()


def tooltips(config_class: type) -> dict[str, str]:
    """Descriptions of a configuration class's fields from its docstring, as HTML."""
    declared = config_fields(config_class)
    return {name: f"<p>{html.escape(field.about)}</p>" for name, field in declared.items()}


def _form_layout(widget: QWidget) -> QFormLayout:
    rows = QFormLayout(widget)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def _make_widget(name: str, declaration: ConfigField, hide: Collection[str]) -> Any:
    if issubclass(declaration.kind, Checked):
        nested = [n.removeprefix(f"{name}.") for n in hide if n.startswith(f"{name}.")]
        return Form(declaration.kind, hide=nested)
    return make_field(declaration.hint, dict(declaration.limits))


def _add_row(rows: QFormLayout, name: str, field: QWidget) -> QWidget:
    """Add a field; return its row: the field, or the section it is in."""
    title = name.replace("_", " ").capitalize()
    if isinstance(field, Form):
        section = Section(title, field)
        rows.addRow(section)
        return section
    if getattr(field, "wide", False):
        rows.addRow(field)
        return field
    rows.addRow(title, field)
    rows.labelForField(field).setToolTip(field.toolTip())
    return field
