"""Forms made from the configuration classes: a form is a value, read and set as a whole."""

import html
from collections.abc import Collection, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from docstring_parser import parse
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_segkit.config._schema import config_fields

from .fields import make_field


class Section(QWidget):
    """A part that a click on its title opens; closed at first.

    Parameters
    ----------
    title : str
        What stands beside the arrow.
    content : QWidget
        What is shown when it is open.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.button = QToolButton(text=title, checkable=True, autoRaise=True)
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
    """A form for one configuration class.

    Labels, limits, defaults and tooltips are those that the class declares.

    Parameters
    ----------
    config_class : type
        A dataclass of `napari_segkit.config`.
    hide : collection of str, optional
        Fields without a widget; they keep the value that was set. "tile.overlap" is a field of
        the nested `tile`.
    more : collection of str, optional
        Fields for a section "More" at the end, closed at first.
    widgets : mapping, optional
        Widgets of one's own for fields, by name, each with `value`, `set_value` and `changed`. One
        with an attribute `wide` takes a row without a label; one with a tooltip keeps it.
    parent : QWidget, optional
        Qt's parent.

    Attributes
    ----------
    changed : Signal()
        The value has changed, by a person or by `set_value`.
    sections : dict
        Of the nested configurations, by name.
    """

    changed = Signal()

    def __init__(
        self,
        config_class: type,
        *,
        hide: Collection[str] = (),
        more: Collection[str] = (),
        widgets: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._config = config_class()
        self._fields: dict[str, Any] = {}
        self.sections: dict[str, Section] = {}
        rest = QWidget()
        first, last = _rows(self), _rows(rest)
        made = dict(widgets or {})
        self._tips = tooltips(config_class)
        for name, declaration in config_fields(config_class).items():
            if name not in hide:
                if name not in made:
                    made[name] = _make(name, *declaration, hide)
                self._take(name, made[name], last if name in more else first)
        if last.rowCount():
            first.addRow(Section("More", rest))
        self.set_value(self._config)

    def _take(self, name: str, field: Any, rows: QFormLayout) -> None:
        field.setObjectName(name)
        self._tips[name] = field.toolTip() or self._tips.get(name, "")
        field.setToolTip(self._tips[name])
        field.changed.connect(self._on_field)
        self._fields[name] = field
        row = _add(rows, name, field)
        if isinstance(row, Section):
            self.sections[name] = row

    def _on_field(self) -> None:
        """A form whose fields depend on each other settles them here first."""
        self.changed.emit()

    def field(self, name: str) -> Any:
        """The widget of one field.

        Parameters
        ----------
        name : str
            A field of the configuration class that is not hidden.

        Returns
        -------
        QWidget
            With `value()`, `set_value(value)` and the signal `changed`.
        """
        return self._fields[name]

    def label(self, name: str) -> QLabel:
        """What stands before the widget of one field.

        Parameters
        ----------
        name : str
            A field with a row of its own.

        Returns
        -------
        QLabel
            Its title.
        """
        field = self._fields[name]
        return field.parentWidget().layout().labelForField(field)  # type: ignore[no-any-return]

    def grey_out(self, names: Collection[str], reason: str) -> None:
        """Disable fields that do not count now; all others can be used.

        Parameters
        ----------
        names : collection of str
            Those fields.
        reason : str
            The sentence that their tooltips show.
        """
        for name, field in self._fields.items():
            field.setEnabled(name not in names)
            field.setToolTip(reason if name in names else self._tips[name])

    def value(self) -> Any:
        """The configuration as the form shows it.

        Returns
        -------
        object
            A new instance of the configuration class.

        Raises
        ------
        ValueError
            If numbers do not go together; the sentence says which.
        """
        return replace(self._config, **{n: field.value() for n, field in self._fields.items()})

    def set_value(self, config: Any) -> None:
        """Show a configuration.

        Parameters
        ----------
        config : object
            An instance of the configuration class.
        """
        self._config = config
        blocked = self.blockSignals(True)
        for name, field in self._fields.items():
            field.set_value(getattr(config, name))
        self.blockSignals(blocked)
        self.changed.emit()


def tooltips(config_class: type) -> dict[str, str]:
    """What the docstring of a configuration class says of each field, ready to be shown."""
    params = parse(config_class.__doc__ or "").params
    return {p.arg_name: f"<p>{html.escape(p.description or '')}</p>" for p in params}


def _rows(widget: QWidget) -> QFormLayout:
    rows = QFormLayout(widget)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def _make(name: str, hint: Any, limits: dict[str, Any], hide: Collection[str]) -> Any:
    if is_dataclass(hint):
        inside = [n.removeprefix(f"{name}.") for n in hide if n.startswith(f"{name}.")]
        return Form(hint, hide=inside)  # type: ignore[arg-type]
    return make_field(hint, limits)


def _add(rows: QFormLayout, name: str, field: QWidget) -> QWidget:
    """Add a field and give its row: the field, or the section it is in."""
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
