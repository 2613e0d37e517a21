"""Generators run in a worker thread, with signals on the GUI thread."""

import atexit
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeAlias

from qtpy.QtCore import QObject, QTimer, Signal

from napari_segkit.freed_memory import share_heap
from napari_segkit.steps import Waiting, Writer

LOG = logging.getLogger(__name__)
Steps: TypeAlias = Generator[object, Any, object]
Call: TypeAlias = Callable[[], None]
Prepare: TypeAlias = Callable[[Any], None]
POLL_MILLISECONDS, SOON_MILLISECONDS = 66, 15
EXIT_SECONDS = 10.0


class _Worker(threading.Thread):
    """Worker thread. It uses no Qt: the task's timer polls `latest` and `outcome`."""

    def __init__(self, steps: Steps, prepare: Prepare, at_start: Call, at_end: Call) -> None:
        super().__init__(name="segkit task", daemon=True)
        self.stopping = threading.Event()
        self.paused = threading.Event()
        self.held = threading.Event()
        self.awake = threading.Event()  # ends a rest
        self.commands: deque[object] = deque()
        self.answers: deque[object] = deque()
        self.latest: deque[object] = deque(maxlen=1)
        self.events: deque[object] = deque()
        self.outcome: deque[tuple[str, object]] = deque(maxlen=1)
        self._work: tuple[Steps, Prepare, Call, Call] | None = steps, prepare, at_start, at_end

    def run(self) -> None:
        work, self._work = self._work, None
        assert work is not None
        try:
            self._work_through(*work)
        except BaseException as error:  # noqa: BLE001  SystemExit, too, would end it unheard
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Make an error the outcome, instead of a result."""
        traceback.clear_frames(error.__traceback__)  # frames hold images and networks
        self.outcome.append(("errored", error))

    def _work_through(self, steps: Steps, prepare: Prepare, at_start: Call, at_end: Call) -> None:
        try:
            at_start()
            self._iterate(steps, prepare)
        finally:
            at_end()

    def _iterate(self, steps: Steps, prepare: Prepare) -> None:
        command = None  # a generator takes none before its first step
        with closing(steps):
            while not self.stopping.is_set():
                try:
                    step = steps.send(command)
                except StopIteration as end:
                    prepare(end.value)
                    self.outcome.append(("returned", end.value))
                    return
                (self.events if getattr(step, "is_event", False) else self.latest).append(step)
                if command is not None:
                    self.answers.append(step)
                self._rest(step)
                command = self.commands.popleft() if self.commands else None

    def _rest(self, step: object) -> None:
        """Take no step while paused, held or waiting; commands are carried out, a stop ends it."""
        while self.paused.is_set() or self.held.is_set() or isinstance(step, Waiting):
            if self.stopping.is_set() or self.commands:
                return
            is_woken = self.awake.wait(step.seconds if isinstance(step, Waiting) else None)
            self.awake.clear()
            if not (is_woken or self.paused.is_set()):
                return

    def send(self, command: object) -> None:
        """Send a command to the generator."""
        self.commands.append(command)
        self.awake.set()

    def pause(self, paused: bool) -> None:
        """Pause, or go on."""
        (self.paused.set if paused else self.paused.clear)()
        self.awake.set()

    def hold(self, held: bool) -> None:
        """Take no step while other work computes, or go on."""
        (self.held.set if held else self.held.clear)()
        self.awake.set()

    def stop(self) -> None:
        """Stop after the current step."""
        self.stopping.set()
        self.awake.set()

    def abandon(self) -> None:
        """Stop, without a listener."""
        self.stop()
        _running.pop(self, None)


def _nothing(*_: object) -> None:
    """Stand in for what a task does not need."""


_running: dict[_Worker, "Task"] = {}  # a started task lives until it has finished


class Task(QObject):
    """A generator that runs in a worker thread.

    All signals arrive on the thread that made the task, at most about 15 times a second unless
    `poll_soon` is called. The last step is always sent, and `finished` comes last, once. After a
    `Waiting` step the thread sleeps until a command is sent, the task is stopped, or its `seconds`
    are over.

    Parameters
    ----------
    steps : generator
        Long work that yields its steps and returns its result, such as
        ``segmenter.train_epochs(image, labels)``.
    parent : QObject, optional
        When it is destroyed, the work stops after its current step.
    writer : Writer, optional
        Where the result goes: its `prepare` is called in the worker thread, its `write` on the
        thread that made the task.
    at_start, at_end : callable, optional
        Called first and last in the worker thread.
    finish : object, optional
        The command that has the work return what it has done, sent by the first `stop`.

    Attributes
    ----------
    yielded : Signal(object)
        The latest step; and each that is an event, such as a validation.
    answered : Signal(object)
        The step that followed a command; none is left out.
    written : Signal(object)
        What the writer has written, such as the new or updated layer; sent before `returned`.
    returned : Signal(object)
        The generator's return value; not sent if it was stopped without a result.
    errored : Signal(object)
        The exception that ended it, or that kept its result from being written.
    finished : Signal()
        It has ended, for whatever reason.
    """

    yielded = Signal(object)
    answered = Signal(object)
    written = Signal(object)
    returned = Signal(object)
    errored = Signal(object)
    finished = Signal()

    def __init__(
        self,
        steps: Steps,
        parent: QObject | None = None,
        *,
        writer: Writer[Any, object] | None = None,
        at_start: Call = _nothing,
        at_end: Call = _nothing,
        finish: object = None,
    ) -> None:
        if not isinstance(steps, Generator):
            raise TypeError(
                f"Expected a generator, got a {type(steps).__name__}: give a generator that has "
                "not run yet, such as segmenter.train_epochs(image, labels)."
            )
        super().__init__(parent)
        self._writer, self._finish = writer, finish
        self._worker = _Worker(steps, writer.prepare if writer else _nothing, at_start, at_end)
        self._timer = QTimer(self, singleShot=True, interval=POLL_MILLISECONDS)
        self._timer.timeout.connect(self._poll)
        self.destroyed.connect(self._worker.abandon)

    @property
    def is_running(self) -> bool:
        """From `start` until `finished` is sent."""
        return self._worker in _running

    def start(self) -> None:
        """Start the thread, and send its signals."""
        self.start_thread()
        self.send_signals()

    def start_thread(self) -> None:
        """Start the thread; no signal is sent before `send_signals`."""
        _running[self._worker] = self
        try:
            share_heap()
            self._worker.start()
        except RuntimeError as error:  # the system gives no more threads
            self._worker.fail(error)

    def send_signals(self) -> None:
        """Send the signals of the thread from now on."""
        self._timer.start()

    def stop(self) -> None:
        """Stop after the current step: with the result so far if the work can give it."""
        if self._finish is None:
            self.abandon()
        else:
            finish, self._finish = self._finish, None
            self.send(finish)
            self.is_paused = False

    def abandon(self) -> None:
        """Stop after the current step, and close the generator without a result."""
        self._worker.stop()

    @property
    def is_paused(self) -> bool:
        """Whether it takes no further step until it is resumed or stopped; can be set."""
        return self._worker.paused.is_set()

    @is_paused.setter
    def is_paused(self, paused: bool) -> None:
        self._worker.pause(paused)

    def hold(self, held: bool) -> None:
        """Take no further step while other work computes, whether paused or not.

        Parameters
        ----------
        held : bool
            Whether the other work goes on.
        """
        self._worker.hold(held)

    def send(self, command: object) -> None:
        """Send a command to the generator; the step that follows arrives in `answered`.

        Parameters
        ----------
        command : object
            What the work understands; other work ignores it.
        """
        self._worker.send(command)

    def poll_soon(self) -> None:
        """Send its signals sooner from now on: a person waits for what it answers."""
        self._timer.setInterval(SOON_MILLISECONDS)

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
        alive = self._worker.is_alive()  # read first: what it has left is then complete
        while self._worker.answers:
            self.answered.emit(self._worker.answers.popleft())
        while self._worker.events:
            self.yielded.emit(self._worker.events.popleft())
        if self._worker.latest:
            self.yielded.emit(self._worker.latest.pop())
        if alive:
            self._timer.start()
        else:
            self._end()

    def _end(self) -> None:
        _running.pop(self._worker, None)
        if self._worker.outcome:
            name, value = self._written(*self._worker.outcome.pop())
            self._log(value)
            getattr(self, name).emit(value)
        self.finished.emit()

    def _log(self, outcome: object) -> None:
        """Keep the traceback of an error that is no mistake of a user."""
        if isinstance(outcome, BaseException) and not isinstance(outcome, ValueError):
            LOG.error("%s failed", self.objectName() or "Background work", exc_info=outcome)

    def _written(self, name: str, value: object) -> tuple[str, object]:
        """Write the result, if there is one; gives the outcome, which is now also an error."""
        writer, self._writer = self._writer, None
        if name != "returned" or writer is None:
            return name, value
        try:
            written = writer.write(value)
        except BaseException as error:  # noqa: BLE001  the dock would wait for ever
            return "errored", error
        if written is not None:
            self.written.emit(written)
        return name, value


@atexit.register
def _stop_all() -> None:
    """Threads inside torch at interpreter exit would crash it: stop them, and wait a little."""
    workers = list(_running)
    for worker in workers:
        worker.abandon()
    for worker in workers:
        worker.join(EXIT_SECONDS)
