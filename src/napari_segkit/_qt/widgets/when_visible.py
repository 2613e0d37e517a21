"""Updates of widgets behind another tab, put off until they are shown."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

from .section import Section


class WhenVisible(QObject):
    """Calls `update` at once; while the widget lies behind another tab, once when it is shown."""

    def __init__(self, widget: QWidget, update: Callable[[], object]) -> None:
        super().__init__(widget)
        self._widget, self._update = widget, update
        self.is_due = False
        widget.installEventFilter(self)

    def request(self, *_: object) -> None:
        """Slot for signals with or without arguments."""
        self.is_due = True
        if not self._is_behind_a_tab():
            self.catch_up()

    def catch_up(self) -> None:
        """Make the update if it is due."""
        if self.is_due:
            self.is_due = False
            self._update()

    def _is_behind_a_tab(self) -> bool:
        """Whether it cannot be seen, unless that is because its section or window is closed."""
        if not self._widget.window().isVisible():
            return False
        widget = self._widget
        while not widget.isVisible():
            widget = widget.parentWidget()
        return widget is not self._widget and not isinstance(widget, Section)

    def eventFilter(self, _widget: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show:
            self.catch_up()
        return False


def catch_up(widget: QWidget) -> None:
    """Make all updates that are due in a widget; one may make others due."""
    while due := next((x for x in widget.findChildren(WhenVisible) if x.is_due), None):
        due.catch_up()
