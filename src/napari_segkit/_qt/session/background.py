"""Short function calls in the background."""

from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeAlias, TypeVar
from weakref import WeakSet

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit.steps import Step

from .task import Task

P = ParamSpec("P")
T = TypeVar("T")
Steps: TypeAlias = Generator[Step, None, T]


def call_once(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
    """Call a function as a generator of one step that returns the result."""
    result = function(*args, **kwargs)
    yield Step(1, 1)
    return result


def has_pending_calls(parent: QObject) -> bool:
    """Whether a `LatestCall` among the descendants of an object is busy."""
    busy = [call for call in _calls if call.is_busy]  # few; an object has many descendants
    return any(isalive(call) and _is_within(call, parent) for call in busy)


def _is_within(child: QObject | None, ancestor: QObject) -> bool:
    while child is not None and child is not ancestor:
        child = child.parent()
    return child is ancestor


class LatestCall(QObject):
    """Calls functions in the background, one at a time; emits only the newest call's result."""

    returned = Signal(object)
    errored = Signal(object)

    def __init__(self, parent: QObject | None = None, *, wait_ms: int = 0) -> None:
        super().__init__(parent)
        _calls.add(self)
        self._call: Callable[[], object] | None = None
        self._task: Task | None = None
        self._deliver = False
        self._outcome: tuple[str, object] | None = None
        self._timer = QTimer(self, singleShot=True, interval=wait_ms)
        self._timer.timeout.connect(self._start)
        # The wait begins when the window has nothing else to do: first it paints a new dock.
        self._when_idle = QTimer(self, singleShot=True, interval=0)
        self._when_idle.timeout.connect(self._timer.start)

    @property
    def is_busy(self) -> bool:
        """Whether a result is still to come."""
        return self._call is not None or self._task is not None

    def submit(self, call: Callable[[], object]) -> None:
        """Call in the background after `wait_ms`, instead of earlier calls."""
        self._call = call
        self._timer.stop()
        self._when_idle.start()

    def cancel(self) -> None:
        """Drop the results of all calls so far."""
        self._when_idle.stop()
        self._timer.stop()
        self._call = None
        self._deliver = False

    def _task_of(self, call: Callable[[], Any]) -> Task:
        return Task(call_once(call))

    def _start(self) -> None:
        if self._task is not None or self._call is None:
            return
        call, self._call = self._call, None
        self._deliver = True
        self._task = self._task_of(call)
        self._task.returned.connect(self._on_returned)
        self._task.errored.connect(self._on_errored)
        self._task.finished.connect(self._on_finished)
        self._task.start()

    def _on_returned(self, result: object) -> None:
        self._outcome = "returned", result

    def _on_errored(self, error: BaseException) -> None:
        self._outcome = "errored", error

    def _on_finished(self) -> None:
        self._task = None
        outcome, self._outcome = self._outcome, None
        if self._call is not None:
            self._timer.start()
        elif self._deliver and outcome is not None:
            signal, value = outcome
            getattr(self, signal).emit(value)


class LatestSteps(LatestCall):
    """As `LatestCall`, of functions that give a generator; a newer one ends that which runs."""

    def submit(self, call: Callable[[], object]) -> None:
        """Make a generator after `wait_ms`, on the thread of the window, and run it."""
        super().submit(call)
        self._stop()

    def cancel(self) -> None:
        """Drop the results of all so far."""
        super().cancel()
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.stop()

    def _task_of(self, call: Callable[[], Any]) -> Task:
        return Task(call())


_calls: WeakSet[LatestCall] = WeakSet()
