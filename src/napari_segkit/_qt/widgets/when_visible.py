"""Updates of widgets behind another tab, put off until they are shown."""

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget


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
        if self._widget.isVisible() or not self._widget.window().isVisible():
            self.catch_up()

    def catch_up(self) -> None:
        """Make the update if it is due."""
        if self.is_due:
            self.is_due = False
            self._update()

    def eventFilter(self, _widget: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Show:
            self.catch_up()
        return False


def catch_up(widget: QWidget) -> None:
    """Make all updates that are due in a widget; one may make others due."""
    while due := next((x for x in widget.findChildren(WhenVisible) if x.is_due), None):
        due.catch_up()
