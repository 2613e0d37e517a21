"""Bar that starts, stops and follows a dock's work."""

from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.task import Task
from napari_segkit.steps import Failure, Job, Step, TimeLeft, Writer, time_left

from . import python_snippets
from .dock import Note, stack
from .gui_messages import SMALLER_IMAGE, error_text
from .single_click_button import SingleClickButton
from .when_visible import WhenVisible

T = TypeVar("T")
MOST_FAILURES = 5  # that the status tells one by one
PAUSE, CONTINUE = "Pause", "Continue"
PAUSE_TIP = "Take no further step until you continue; the pause does not count as training time."
COPY_TIP = "Copy Python code that does the same to the clipboard."


class RunBar(QWidget):
    """Run/Stop and Copy Python buttons, progress with the time left, hint and status.

    `verb` names the work, `unit` its steps in the status, without which the dock tells of them;
    `code()` gives its Python code, without which nothing can be copied; `lower` is what to lower
    when memory has run out; a button pauses work that is `pausable`.
    """

    pressed = Signal()
    yielded = Signal(object)
    returned = Signal(object)
    errored = Signal(object)
    stopped = Signal()
    finished = Signal()

    def __init__(
        self,
        session: Session,
        verb: str,
        *,
        tooltip: str = "",
        unit: str = "",
        code: Callable[[], str] | None = None,
        lower: str = SMALLER_IMAGE,
        pausable: bool = False,
    ) -> None:
        super().__init__()
        self.verb = self._text = verb
        self._lower = lower
        self._session, self._code, self._unit = session, code, unit
        self._task: Task | None = None
        self._stopping = False
        self._failures: list[str] = []  # of parts of the work
        self._estimate = TimeLeft()
        self.time_left = ""  # such as ", 0:12 left"
        self._reason: str | None = None
        self.button = SingleClickButton(verb, toolTip=tooltip)
        self.pause_button = QPushButton(PAUSE, toolTip=PAUSE_TIP)
        self._is_pausable = pausable
        self.copy_button = QPushButton("Copy Python", toolTip=COPY_TIP)
        self.progress = QProgressBar(textVisible=False, maximumHeight=8)
        self.hint = Note()
        self.status = Note()
        self._state = WhenVisible(self, self._update_state)
        self._lay_out()
        self.button.clicked.connect(self._on_clicked)
        self.pause_button.clicked.connect(self._on_pause)
        self.copy_button.clicked.connect(self.copy_code)
        session.busy_changed.connect(self._on_busy_changed)
        self._follow_again()
        self._update_state()

    @property
    def is_running(self) -> bool:
        """Whether this bar's task is running."""
        return self._task is not None

    @property
    def reason(self) -> str | None:
        """Why work cannot start now; None if it can."""
        task = self._session.task
        if not self.is_running and task is not None:
            return f"{task.objectName() or 'Other work'} is running: stop it or wait until it ends."
        return self._reason

    def run(self, job: Job[T], writer: Writer[T, object] | None = None) -> Task:
        """Run a job in the session and follow it."""
        task = self._session.run(job, writer=writer)
        self.follow(task)
        return task

    def follow(self, task: Task) -> None:
        """Follow a task of the session; errors are shown here instead of as a notification."""
        if not isalive(self):  # closed while napari made its progress bar, which processes events
            return
        self.show_status("")
        task.setObjectName(self.verb)
        self._task = task
        self._stopping = self._ended = False
        self._estimate, self.time_left = TimeLeft(), ""
        self._failures.clear()
        task.yielded.connect(self._on_yielded)
        task.returned.connect(self._on_returned)
        task.errored.connect(self._on_errored)
        task.finished.connect(self._on_finished)
        self._show_progress(0, 0)
        self._update_state()

    def set_reason(self, reason: str | None) -> None:
        """Set why work cannot start; None allows it."""
        self._reason = reason
        self.copy_button.setEnabled(reason is None)
        self._state.request()

    def set_text(self, text: str) -> None:
        """Set what the button says while nothing runs."""
        self._text = text
        self._state.request()

    def show_status(self, text: str) -> None:
        self.status.setText(text)

    def copy_code(self) -> None:
        """Copy the Python code to the clipboard, if what is chosen can be done."""
        if self._code is None:
            return
        try:
            python_snippets.copy(self._code())
        except ValueError as error:
            self.show_status(error_text(error, self.verb))
        else:
            self.show_status("Python code copied to the clipboard.")

    def _lay_out(self) -> None:
        self.copy_button.setHidden(self._code is None)
        row = QHBoxLayout()
        row.addWidget(self.button, 2)
        row.addWidget(self.pause_button, 1)
        row.addWidget(self.copy_button, 1)
        stack(self, row, self.progress, self.hint, self.status)

    def _follow_again(self) -> None:
        """Follow a task that is still running from a dock that was closed."""
        task = self._session.task
        if task is not None and task.objectName() == self.verb:
            self.follow(task)

    def _update_state(self) -> None:
        reason = self.reason
        self.button.setText(
            ("Stopping …" if self._stopping else "Stop") if self._task else self._text
        )
        self.button.setEnabled(not self._stopping if self._task else reason is None)
        is_paused = self._task is not None and self._task.is_paused
        self.pause_button.setText(CONTINUE if is_paused else PAUSE)
        self.pause_button.setVisible(self._is_pausable and self.is_running)
        self.pause_button.setEnabled(not self._stopping)
        self.progress.setVisible(self.is_running)
        self.hint.setText("" if self.is_running else reason or "")

    def _on_busy_changed(self) -> None:
        if self._session.task is not None:
            self._session.task.objectNameChanged.connect(self._state.request)
        self._state.request()

    def _on_clicked(self) -> None:
        if self._task is None:
            self.pressed.emit()
        else:
            self._stopping = True
            self._update_state()
            self._task.stop()

    def _on_pause(self) -> None:
        if self._task is not None:
            self._task.is_paused = not self._task.is_paused
            self._update_state()

    def _on_yielded(self, step: Step) -> None:
        if isinstance(step, Failure):
            self._on_failure(step)
            return
        self._show_progress(step.done, step.total)
        self.time_left = time_left(self._estimate.after(step, monotonic()))
        if self._unit:
            done = getattr(step, "text", "") or f"{self._unit} {step.done} of {step.total}"
            self.show_status(f"{done}{self.time_left}")
        self.yielded.emit(step)

    def _show_progress(self, done: int, total: int) -> None:
        """Empty while the total is not known: what moves is drawn with the cores that compute."""
        self.progress.setRange(0, max(1, total))
        self.progress.setValue(done if total else 0)

    def _on_failure(self, step: Failure) -> None:
        """Tell of it when the work has ended, beside what became of the rest."""
        text = error_text(step.error, step.part or self.verb, lower=self._lower)
        self._failures.append(text)
        self._session.mark_error_shown(self, self._failures_text)

    @property
    def _failures_text(self) -> str:
        """What failed; of many parts the first ones."""
        more = len(self._failures) - MOST_FAILURES
        shown = self._failures[:MOST_FAILURES]
        return " ".join([*shown, f"{more} more failed."] if more > 0 else shown)

    def _on_returned(self, result: object) -> None:
        self._ended = True
        self.returned.emit(result)

    def _on_errored(self, error: BaseException) -> None:
        self._ended = True
        text = error_text(error, self.verb, lower=self._lower)
        self.show_status(text)
        self._session.mark_error_shown(self, text)
        self.errored.emit(error)

    def _on_finished(self) -> None:
        self._task = None
        self._stopping = False
        self._update_state()
        if not self._ended:
            self.show_status("Stopped.")
            self.stopped.emit()
        elif self._failures:
            self.show_status(f"{self._failures_text} {self.status.text()}")
        self.finished.emit()
