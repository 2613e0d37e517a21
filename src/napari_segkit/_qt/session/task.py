"""Run a generator in a thread of its own; hear of it on the thread of the window."""

import atexit
import threading
import traceback
from collections import deque
from collections.abc import Generator
from contextlib import closing
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

POLL_MILLISECONDS = 66
EXIT_SECONDS = 10.0


class _Worker(threading.Thread):
    """The thread's side. It knows no Qt: it leaves what it has where the task's timer looks."""

    def __init__(self, steps: Generator[Any, None, Any]) -> None:
        super().__init__(name="segkit task", daemon=True)
        self.stopping = threading.Event()
        self.latest: deque[Any] = deque(maxlen=1)
        self.outcome: deque[tuple[str, Any]] = deque(maxlen=1)
        self._steps: Generator[Any, None, Any] | None = steps

    def run(self) -> None:
        """Walk through the steps; whatever they raise becomes the outcome."""
        steps, self._steps = self._steps, None
        assert steps is not None
        try:
            self._walk(steps)
        except Exception as error:  # noqa: BLE001
            traceback.clear_frames(error.__traceback__)  # they hold images and networks
            self.outcome.append(("errored", error))

    def _walk(self, steps: Generator[Any, None, Any]) -> None:
        with closing(steps):
            while not self.stopping.is_set():
                try:
                    self.latest.append(next(steps))
                except StopIteration as end:
                    self.outcome.append(("returned", end.value))
                    return

    def abandon(self) -> None:
        """Stop, nobody listens any more."""
        self.stopping.set()
        _running.pop(self, None)


_running: dict[_Worker, "Task"] = {}  # a started task lives until it has finished


class Task(QObject):
    """A generator at work in a thread of its own.

    All signals arrive on the thread that made the task, about 15 times a second at most; the
    last step is always among those told, and `finished` comes last, once.

    Parameters
    ----------
    steps : generator
        Long work that yields its steps and returns its result, such as
        ``segmenter.train_epochs(image, labels)``.
    parent : QObject, optional
        When it is destroyed, the work stops after its current step.

    Attributes
    ----------
    yielded : Signal(object)
        The newest step.
    returned : Signal(object)
        What the generator returned; not sent where it was stopped.
    errored : Signal(object)
        The exception that ended it.
    finished : Signal()
        It has ended, whatever the reason.
    """

    yielded = Signal(object)
    returned = Signal(object)
    errored = Signal(object)
    finished = Signal()

    def __init__(self, steps: Generator[Any, None, Any], parent: QObject | None = None) -> None:
        if not isinstance(steps, Generator):
            raise TypeError(
                f"A {type(steps).__name__} was given; give a generator that has not run yet, such "
                "as segmenter.train_epochs(image, labels)."
            )
        super().__init__(parent)
        self._worker = _Worker(steps)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.timeout.connect(self._poll)
        self.destroyed.connect(self._worker.abandon)

    @property
    def is_running(self) -> bool:
        """From `start` until `finished` is sent."""
        return self._worker in _running

    def start(self) -> None:
        """Begin with the first step."""
        self._worker.start()
        _running[self._worker] = self
        self._timer.start()

    def stop(self) -> None:
        """End after the current step; what the generator keeps when closed is kept."""
        self._worker.stopping.set()

    def wait(self, seconds: float) -> bool:
        """Block until the thread has ended.

        Parameters
        ----------
        seconds : float
            For so long at most.

        Returns
        -------
        bool
            Whether it has ended. Its signals follow when the event loop turns again.
        """
        self._worker.join(seconds)
        return not self._worker.is_alive()

    def _poll(self) -> None:
        alive = self._worker.is_alive()  # asked first: what it left before is complete
        if self._worker.latest:
            self.yielded.emit(self._worker.latest.pop())
        if alive:
            self._timer.start()
        else:
            self._end()

    def _end(self) -> None:
        _running.pop(self._worker, None)
        if self._worker.outcome:
            name, value = self._worker.outcome.pop()
            getattr(self, name).emit(value)
        self.finished.emit()


@atexit.register
def _stop_all() -> None:
    """Threads inside torch while the interpreter goes would crash it: ask, then wait a little."""
    workers = list(_running)
    for worker in workers:
        worker.abandon()
    for worker in workers:
        worker.join(EXIT_SECONDS)
