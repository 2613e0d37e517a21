"""Short questions answered off the GUI thread."""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit.steps import Step

from .task import Task


def once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Generator[Step, None, Any]:
    """A generator that calls a function, reports one step and returns the result."""
    result = function(*args, **kwargs)
    yield Step(1, 1)
    return result


class LatestCall(QObject):
    """Calls functions in the background, one at a time; only the newest call is answered.

    Parameters
    ----------
    parent : QObject, optional
        Owner.
    wait_ms : int
        How long to wait for a newer call before starting.
    """

    returned = Signal(object)
    errored = Signal(object)

    def __init__(self, parent: QObject | None = None, *, wait_ms: int = 0) -> None:
        super().__init__(parent)
        self._call: Callable[[], Any] | None = None
        self._task: Task | None = None
        self._wanted = False
        self._answer: tuple[str, Any] | None = None
        self._timer = QTimer(self, singleShot=True, interval=wait_ms)
        self._timer.timeout.connect(self._start)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._call is not None or self._task is not None

    def ask(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call the function soon, in the background; earlier calls are no longer answered."""
        self._call = partial(function, *args, **kwargs)
        self._timer.start()

    def forget(self) -> None:
        """Answer nothing that was asked so far."""
        self._timer.stop()
        self._call = None
        self._wanted = False

    def _start(self) -> None:
        if self._task is not None or self._call is None:
            return
        call, self._call = self._call, None
        self._wanted = True
        self._task = Task(once(call))
        self._task.returned.connect(self._on_returned)
        self._task.errored.connect(self._on_errored)
        self._task.finished.connect(self._on_finished)
        self._task.start()

    def _on_returned(self, result: Any) -> None:
        self._answer = "returned", result

    def _on_errored(self, error: Any) -> None:
        self._answer = "errored", error

    def _on_finished(self) -> None:
        self._task = None
        answer, self._answer = self._answer, None
        if self._call is not None:
            self._timer.start()
        elif self._wanted and answer is not None:
            name, value = answer
            getattr(self, name).emit(value)
