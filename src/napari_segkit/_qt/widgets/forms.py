"""Forms generated from the configuration dataclasses."""

import html
from collections.abc import Collection, Mapping
from typing import Generic

from magicgui.widgets import Container, Widget
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_segkit.config._schema import C, Checked, ConfigField, change, config_fields

from .dock import validation_error
from .fields import make_field
from .section import Section, form_layout

MORE = "<p>Show the settings that rarely need a change.</p>"


class Form(Container, Generic[C]):
    """Form for one configuration dataclass, with its labels, limits, defaults and tooltips.

    `value` is the configuration; its fields are attributes and items of the form. `hide` names
    fields without a widget ("tile.overlap" for a nested one), which keep the value that was set;
    `collapsed` names fields for a closed section "More" at the end. `widgets` gives custom widgets
    by field name; one with a tooltip keeps it. A widget with a true attribute `wide`, such as a
    `wide` form, takes a row without a label or section. A `lazy` form makes its widgets when it is
    first opened or asked for one; nested forms are lazy.
    """

    _declared: Mapping[str, ConfigField] = {}

    def __init__(
        self,
        config_class: type[C],
        *,
        hide: Collection[str] = (),
        collapsed: Collection[str] = (),
        widgets: Mapping[str, Widget] | None = None,
        wide: bool = False,
        lazy: bool = False,
    ) -> None:
        self._config = config_class()
        self._declared = {n: f for n, f in config_fields(config_class).items() if n not in hide}
        self._hide, self._collapsed, self._custom = hide, collapsed, widgets or {}
        self._tips = tooltips(config_class)
        self.wide = wide
        self.sections: dict[str, Section] = {}  # of nested configurations
        super().__init__(labels=False)
        self.margins = 0, 0, 0, 0
        self.native_parent_changed.disconnect(self.reset_choices)  # it would undo `offer`
        if not lazy:
            self.build()

    def __getattr__(self, name: str) -> Widget:
        if name in self._declared:
            self.build()
        return super().__getattr__(name)

    def build(self) -> None:
        """Make the widgets, unless they are there."""
        if len(self) > 0:
            return
        for name, declared in self._declared.items():
            field = self._custom[name] if name in self._custom else self._make_widget(declared)
            self._tips[name] = field.tooltip or self._tips[name]
            field.name, field.tooltip = name, self._tips[name]
            self.append(field)
        self._lay_out()
        with self.changed.blocked():
            self.value = self._config

    @property
    def value(self) -> C:
        """The configuration shown; ValueError if its values are inconsistent."""
        return change(self._config, self.asdict())

    @value.setter
    def value(self, config: C) -> None:
        self._config = config
        with self.changed.blocked():
            for field in self:
                field.value = getattr(config, field.name)
        self.changed.emit(self)

    @property
    def problem(self) -> str | None:
        """Why the values are inconsistent, None if they are not."""
        return validation_error(lambda: self.value)

    def row_label(self, name: str) -> QLabel:
        """Label of a field with a row of its own."""
        field = self[name].native
        return field.parentWidget().layout().labelForField(field)

    def grey_out(self, names: Collection[str], reason: str) -> None:
        """Disable only these fields, with the reason as tooltip."""
        for field in self:
            field.enabled = field.name not in names
            field.tooltip = reason if field.name in names else self._tips[field.name]

    def _make_widget(self, declared: ConfigField) -> Widget:
        if not issubclass(declared.kind, Checked):
            return make_field(declared)
        prefix = f"{declared.name}."
        hide = [name.removeprefix(prefix) for name in self._hide if name.startswith(prefix)]
        return Form(declared.kind, hide=hide, lazy=True)

    def _lay_out(self) -> None:
        body, more = QWidget(), QWidget()
        rows, collapsed_rows = form_layout(body), form_layout(more)
        self.native.layout().addWidget(body)
        for field in self:
            self._add_row(field, collapsed_rows if field.name in self._collapsed else rows)
        if self._collapsed:
            rows.addRow(Section("More", more, MORE))

    def _add_row(self, field: Widget, rows: QFormLayout) -> None:
        title = field.label.capitalize()
        if getattr(field, "wide", False):
            rows.addRow(field.native)
        elif isinstance(field, Form):
            self.sections[field.name] = section = Section(title, field.native, field.tooltip)
            section.toggled.connect(field.build)
            rows.addRow(section)
        else:
            rows.addRow(title, field.native)
            self.row_label(field.name).setToolTip(field.tooltip)


def tooltips(config_class: type[Checked]) -> dict[str, str]:
    """Descriptions of a configuration class's fields from its docstring, as HTML."""
    declared = config_fields(config_class)
    return {name: f"<p>{html.escape(field.about)}</p>" for name, field in declared.items()}
