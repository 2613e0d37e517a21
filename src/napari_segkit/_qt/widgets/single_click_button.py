"""Button whose meaning changes when it is pressed."""

from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QPushButton


class SingleClickButton(QPushButton):
    """Takes a double click as one click: Run does not also mean the Stop that it becomes."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        event.accept()
