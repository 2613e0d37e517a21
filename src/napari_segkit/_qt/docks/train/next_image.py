"""Next and previous image of a training set: opens it with its labels, saves what was painted."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from napari.layers import Labels, Layer
from napari.utils.events import Event
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_segkit._qt.layers.unwrap_proxy import unwrapped
from napari_segkit._qt.session.background import LatestCall
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.training_rows import is_same
from napari_segkit._qt.widgets.dock import Note, stack
from napari_segkit._qt.widgets.gui_messages import error_text
from napari_segkit._qt.widgets.question import Question
from napari_segkit.training_set import TrainingRow, TrainingSet

from .open_labels import OpenLabels
from .row_files import Turned, label_target, own_file
from .row_view import OpenRow, RowView

Change: TypeAlias = Callable[[TrainingRow], TrainingRow]
TIP = (
    "<p>Open the {} image of the training set with its labels, and save what was painted on "
    "this one. The layers opened before are replaced.</p>"
)


class NextImage(QWidget):
    """Buttons that go through the images of the session's training set.

    While a row of files or arrays is open, its labels are the Labels layer, so that what is painted
    is trained on. It is saved when another row is opened, and when the dock or napari closes.
    """

    opened = Signal()  # another row is shown

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._view = RowView(session)
        self._open = OpenLabels()
        self._wanted: TrainingRow | None = None  # the row to be shown
        self._work = LatestCall(self)
        self.previous = QPushButton("Previous image", toolTip=TIP.format("previous"))
        self.next = QPushButton("Next image", toolTip=TIP.format("next"))
        self.question = Question()
        self.status = Note()
        stack(self, (self.previous, self.next), self.question, self.status)
        self.previous.clicked.connect(self.open_previous)
        self.next.clicked.connect(self.open_next)
        self._work.returned.connect(self._on_turned)
        self._work.errored.connect(self._on_error)
        session.training_set_changed.connect(self._on_set)
        unwrapped(session.viewer).layers.events.removed.connect(self._on_removed)
        self.destroyed.connect(self._open.close)
        self._on_set()

    @property
    def number(self) -> int | None:
        """Number of the row that is shown, from 0; None if there is none."""
        return next((i for i, row in enumerate(self._rows) if self.is_open(row)), None)

    def is_open(self, row: TrainingRow) -> bool:
        """Whether a row is shown in the viewer."""
        return self._open.row is not None and row.labels is self._open.row.labels

    def open_next(self) -> None:
        """Open the row after the one that is shown, or the first."""
        self.open(0 if self.number is None else self.number + 1)

    def open_previous(self) -> None:
        """Open the row before the one that is shown."""
        self.open((self.number or 0) - 1)

    def open(self, number: int) -> None:
        """Show a row; first save what was painted on the one that is shown, or ask where to."""
        if 0 <= number < len(self._rows) and number != self.number and not self._work.is_busy:
            self._turn_to(self._rows[number])

    def close_layers(self) -> None:
        """Remove the layers of the open row, which must be saved; no row is open then."""
        opened, self._open.row = self._open.row, None
        if opened is not None:
            self._view.close(opened)
        self._update()

    def on_painted(self, layer: Layer) -> None:
        """Train on an image that had no labels from the first stroke on."""
        opened = self._open.row
        if opened is not None and layer is opened.labels and opened.row.labels is None:
            self._change_row(layer, lambda row: replace(row, role="train"))

    @property
    def _rows(self) -> tuple[TrainingRow, ...]:
        return tuple(self._session.training_set.rows)

    def _turn_to(self, row: TrainingRow | None) -> None:
        """Leave the open row for another one, or for none, in the background."""
        self.question.close_question()
        self.status.setText("")
        self._wanted = row
        opened = self._open
        self._work.submit(partial(opened.turn, opened.row, opened.painted(), row))
        self._update()

    def _ask(self, opened: OpenRow) -> None:
        file, beside = own_file(opened.row), label_target(opened.row, opened.image)
        names = [path.name if path else "" for path in (file, beside)]
        self.question.ask(
            f"The labels of {names[0]} were painted on. Save them into this file, or into a new "
            f"one beside it, such as {names[1]}? The answer also holds for the next images.",
            {
                "Into the file": partial(self._answer, overwrite=True),
                "Beside it": partial(self._answer, overwrite=False),
                "Stay here": self._update,
            },
        )

    def _answer(self, *, overwrite: bool) -> None:
        self._open.overwrite = overwrite
        self._turn_to(self._wanted)

    def _on_turned(self, turned: Turned) -> None:
        if self._open.row is not None and turned.must_ask:
            self._ask(self._open.row)
        else:
            self._finish(turned)
        self._update()

    def _on_error(self, error: BaseException) -> None:
        """Stay at the row, whose labels could not be saved."""
        self.status.setText(error_text(error, "Saving the labels"))
        self._update()

    def _finish(self, turned: Turned) -> None:
        """Take the layers of the row away, and show those of the next one."""
        before, self._open.row = self._open.row, None
        if turned.saved is not None:
            self._open.written.add(turned.saved)
        if before is not None:
            if before.has_opened_labels:
                self._change_row(before.labels, partial(_left, before.row, turned.labels))
            self._view.close(before)
        saved = f"Saved {turned.saved.name}." if turned.saved else ""
        self.status.setText(" ".join(filter(None, [saved, turned.error])))
        row = next((r for r in self._rows if self._wanted and is_same(r, self._wanted)), None)
        if row is not None and turned.read is not None:
            self._open.row = shown = self._view.show(row, turned.read, self._rows)
            self._change(lambda r: replace(r, labels=shown.labels) if r is row else r)
            self.opened.emit()

    def _change_row(self, labels: Labels, change: Change) -> None:
        """Change the row that has these labels."""
        self._change(lambda row: change(row) if row.labels is labels else row)

    def _change(self, change: Change) -> None:
        self._session.training_set = TrainingSet([change(row) for row in self._rows])

    def _on_removed(self, event: Event) -> None:
        """Save labels whose layer a person has removed."""
        opened = self._open.row
        if isalive(self) and opened is not None and event.value is opened.labels:
            self._turn_to(None)

    def _on_set(self) -> None:
        """Leave the layers of a row that is no longer in the set to the person."""
        if self.number is None and not self._work.is_busy:
            self._open.row = None
        self._update()

    def _update(self) -> None:
        number, busy, count = self.number, self._work.is_busy, len(self._rows)
        at = -1 if number is None else number
        self.previous.setEnabled(not busy and at > 0)
        self.next.setEnabled(not busy and at + 1 < count)
        self.setVisible(count > 0)


def _left(before: TrainingRow, labels: Any, row: TrainingRow) -> TrainingRow:
    """A row once its layers are closed; without labels it is as it was before."""
    return replace(row, labels=labels, role=before.role if labels is None else row.role)
