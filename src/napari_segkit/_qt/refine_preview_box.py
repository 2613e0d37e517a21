"""The tick that shows a preview, and a line about it."""

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from .fields import BoolField
from .panel import Note
from .refine_preview import Preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from .refine_run import Order
    from .session import Session

TIP = (
    "<p>A layer that shows what is in view refined, and follows the numbers, the slices and the "
    "view. The labels below are hidden meanwhile. It goes when this is unticked.</p>"
)


class PreviewBox(QWidget):
    """Shows a preview while it is ticked and on screen.

    Parameters
    ----------
    session : Session
        Whose viewer it is.
    order : callable
        Gives what is to be refined and how; None where that is not known yet.
    """

    def __init__(self, session: "Session", order: "Callable[[], Order | None]") -> None:
        super().__init__()
        self.preview = Preview(session, order, self)
        self.box = BoolField()
        self.note = Note()
        self.box.setText("Preview what is in view")
        self.box.setToolTip(TIP)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.box)
        column.addWidget(self.note)
        self.box.changed.connect(self._on_ticked)
        self.preview.said.connect(self.note.setText)
        self.preview.ended.connect(self.untick)

    def update_preview(self) -> None:
        """Something has changed."""
        self.preview.update()

    def untick(self) -> None:
        """Take the preview away."""
        self.box.set_value(False)

    def hideEvent(self, event: Any) -> None:
        """Take the preview away with the dock."""
        super().hideEvent(event)
        if not event.spontaneous():  # a window that is minimised hides nothing
            self.preview.end()

    def showEvent(self, event: Any) -> None:
        """Show the preview again where it was wanted."""
        super().showEvent(event)
        if self.box.value() and not self.preview.is_on:
            self.preview.begin()

    def _on_ticked(self) -> None:
        if self.box.value() and self.isVisible():
            self.preview.begin()
        elif not self.box.value():
            self.preview.end()
            self.note.setText("")
