"""Whether the dock around a widget was closed."""

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QDockWidget, QWidget


class ClosedDock(QObject):
    """Tells that the dock around a widget was closed: napari keeps the widget, without a window."""

    closed = Signal()

    def watch(self, widget: QWidget) -> None:
        """Watch the dock that a widget is in."""
        while (parent := widget.parentWidget()) and not isinstance(parent, QDockWidget):
            widget = parent
        widget.installEventFilter(self)

    def eventFilter(self, widget: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ParentChange and widget.parent() is None:
            self.closed.emit()
        return False
