"""Collapsible parts of a dock."""

from qtpy.QtCore import QSettings
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QFormLayout, QWidget
from superqt import QCollapsible

FLAT = "text-align: left; border: none; background: none; padding: 3px"
MAX_HEIGHT = 16_777_215  # of a Qt widget: no limit


class Section(QCollapsible):
    """Collapsible section, closed at first; without animation.

    With a `key`, it is closed or opened as a person has left it, also in another window.
    """

    def __init__(
        self, title: str, content: QWidget, tooltip: str, *, opened: bool = False, key: str = ""
    ) -> None:
        super().__init__(expandedIcon=QIcon(), collapsedIcon=QIcon())
        self.content().deleteLater()  # an empty one
        self.setContent(content)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setToolTip(tooltip)
        self.toggleButton().setStyleSheet(FLAT)
        self.setDuration(0)
        self.title = title
        self._key = key
        self.toggled.connect(self._show)
        self.toggleButton().clicked.connect(self._remember)
        self.collapse(animate=False)
        self.set_open(_was_open(key, opened))

    def set_title(self, title: str) -> None:
        """Show the title after an arrow; an icon would not follow the colours of the theme."""
        self.title = title
        self.setText(f"{'▾' if self.isExpanded() else '▸'}  {title}")

    def set_open(self, opened: bool) -> None:
        """Open or close it, without remembering that."""
        self.expand(animate=False) if opened else self.collapse(animate=False)

    def restore(self) -> None:
        """Open or close it as a person has left it."""
        self.set_open(_was_open(self._key, self.isExpanded()))

    def _show(self, opened: bool) -> None:
        """Hide the content, or give it the height that it needs, now and later."""
        self.content().setMaximumHeight(MAX_HEIGHT)
        self.content().setVisible(opened)
        self.set_title(self.title)

    def _remember(self) -> None:
        if self._key:
            _settings().setValue(self._key, int(self.isExpanded()))


def form_layout(widget: QWidget) -> QFormLayout:
    """Rows of a label and a field that grows, without margins."""
    rows = QFormLayout(widget)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return rows


def _was_open(key: str, default: bool) -> bool:
    """Whether a person has left a section open; `default` if it was never touched."""
    return bool(int(_settings().value(key, int(default)))) if key else default


def _settings() -> QSettings:
    """What this package remembers of its docks."""
    return QSettings(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-segkit", "docks"
    )
