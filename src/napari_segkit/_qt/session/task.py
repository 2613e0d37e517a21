"""Generators run in a worker thread, with signals on the GUI thread."""

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
    """Worker thread. It uses no Qt: the task's timer polls `latest` and `outcome`."""

    def __init__(self, steps: Generator[Any, None, Any]) -> None:
        super().__init__(name="segkit task", daemon=True)
        self.stopping = threading.Event()
        self.latest: deque[Any] = deque(maxlen=1)
        self.outcome: deque[tuple[str, Any]] = deque(maxlen=1)
        self._steps: Generator[Any, None, Any] | None = steps

    def run(self) -> None:
        steps, self._steps = self._steps, None
        assert steps is not None
        try:
            self._iterate(steps)
        except Exception as error:  # noqa: BLE001
            traceback.clear_frames(error.__traceback__)  # frames hold images and networks
            self.outcome.append(("errored", error))

    def _iterate(self, steps: Generator[Any, None, Any]) -> None:
        with closing(steps):
            while not self.stopping.is_set():
                try:
                    self.latest.append(next(steps))
                except StopIteration as end:
                    self.outcome.append(("returned", end.value))
                    return

    def abandon(self) -> None:
        """Stop, without a listener."""
        self.stopping.set()
        _running.pop(self, None)


_running: dict[_Worker, "Task"] = {}  # a started task lives until it has finished


class Task(QObject):
    """A generator that runs in a worker thread.

    All signals arrive on the thread that made the task, at most about 15 times a second. The
    last step is always sent, and `finished` comes last, once.

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
        The latest step.
    returned : Signal(object)
        The generator's return value; not sent if it was stopped.
    errored : Signal(object)
        The exception that ended it.
    finished : Signal()
        It has ended, for whatever reason.
    """

    yielded = Signal(object)
    returned = Signal(object)
    errored = Signal(object)
    finished = Signal()

    def __init__(self, steps: Generator[Any, None, Any], parent: QObject | None = None) -> None:
        if not isinstance(steps, Generator):
            raise TypeError(
                f"Expected a generator, got a {type(steps).__name__}: give a generator that has "
                "not run yet, such as segmenter.train_epochs(image, labels)."
            )
        super().__init__(parent)
        self._worker = _Worker(steps)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.timeout.connect(self._poll)
        self.destroyed.connect(self._worker.abandon)

    @property
    def delivery(self) -> Any:
        """Former name of `writer`, which a task that writes a layer has."""
        return self.writer

    @property
    def is_running(self) -> bool:
        """From `start` until `finished` is sent."""
        return self._worker in _running

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()
        _running[self._worker] = self
        self._timer.start()

    def stop(self) -> None:
        """Stop after the current step, and close the generator."""
        self._worker.stopping.set()

    def wait(self, seconds: float) -> bool:
        """Block until the thread has ended, for at most `seconds`.

        Parameters
        ----------
        seconds : float
            Timeout.

        Returns
        -------
        bool
            Whether it has ended. Its signals follow in the event loop.
        """
        self._worker.join(seconds)
        return not self._worker.is_alive()

    def _poll(self) -> None:
        alive = self._worker.is_alive()  # read first: `latest` and `outcome` are then complete
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
    """Threads inside torch at interpreter exit would crash it: stop them, and wait a little."""
    workers = list(_running)
    for worker in workers:
        worker.abandon()
    for worker in workers:
        worker.join(EXIT_SECONDS)
