"""Ctrl-C, SIGTERM (schedulers, containers) and SIGHUP (a closed terminal) end a command alike."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread

Handler = Callable[..., object] | int
WRITING = "Ending after this file.", "Still writing; one more signal leaves this file out."
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end; `status` is the exit status that shells expect."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.status = 128 + number


class Stop:
    """How often signals have asked to end, and the last of them."""

    def __init__(self) -> None:
        self.count = 0
        self.number = int(signal.SIGINT)

    def add_of_others(self, number: int) -> None:
        """Count a signal that another process of a training received; 0 is none."""
        if number and not self.count:
            self.count, self.number = 1, number

    def require_none(self) -> None:
        """Raise Interrupted if there was a signal."""
        if self.count:
            raise Interrupted(self.number)


def interrupt(number: int) -> None:
    """End by an exception, so that unfinished files are removed."""
    raise Interrupted(number)


def end_process(number: int) -> None:
    """End at once: libraries that are being imported swallow exceptions or print tracebacks."""
    with suppress(OSError):
        os.write(2, b"Interrupted.\n")
    os._exit(128 + number)


def use_defaults() -> None:
    """Let Ctrl-C end the process as the system does, without Python's exception."""
    if current_thread() is main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def on_signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Call `handle` with the number of each signal. Other threads than the main one get none."""
    if current_thread() is not main_thread():
        yield
        return
    before = dict(_handlers())
    for number in before:
        signal.signal(number, lambda received, _: handle(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_signals(first: str, second: str) -> Iterator[Stop]:
    """Count signals instead of ending; the third ends. The first two are answered by lines."""
    stop = Stop()

    def handle(number: int) -> None:
        stop.count, stop.number = stop.count + 1, number
        if stop.count > 2:
            interrupt(number)
        _say((first, second)[stop.count - 1])

    with on_signals(handle):
        yield stop


@contextmanager
def finish_first() -> Iterator[None]:
    """Write files to their end before a signal ends the command."""
    with held_signals(*WRITING) as stop:
        yield
    stop.require_none()


class HeldSignals:
    """Files are written to their end before a signal ends the command, as in `finish_first`.

    What follows the writing, such as a line that names the files, comes first, too.
    """

    def __init__(self) -> None:
        self._stop = Stop()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold signals while files are written."""
        with held_signals(*WRITING) as self._stop:
            yield

    def require_none(self) -> None:
        """Raise Interrupted if there was a signal meanwhile."""
        self._stop.require_none()


def _handlers() -> Iterator[tuple[int, Handler]]:
    """The signals and their handlers; without SIGHUP if `nohup` keeps it away."""
    for name in NAMES:
        number = getattr(signal, name, 0)
        handler = signal.getsignal(number) if number else None
        if handler is not None and (name, handler) != ("SIGHUP", signal.SIG_IGN):
            yield number, handler


def _say(line: str) -> None:
    from .terminal import say

    with suppress(RuntimeError):  # received while another line is being written
        say(line)
