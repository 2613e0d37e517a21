import sys
import threading
from dataclasses import dataclass, field

import pytest

pytest.importorskip("qtpy", reason="the docks need Qt")
if sys.platform == "linux":
    import os

    if not (os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM")):
        pytest.skip("no display: run with xvfb-run -a", allow_module_level=True)


@pytest.fixture(autouse=True)
def no_task_left():
    """Fails a test that leaves a task running."""
    yield
    left = [t for t in threading.enumerate() if t.name == "segkit task"]
    for thread in left:
        thread.stopping.set()
        thread.join(10)
    assert not left, "a task is still running at the end of the test"


@dataclass
class SignalRecorder:
    """Records the signals of a task, in order."""

    events: list = field(default_factory=list)
    threads: set = field(default_factory=set)

    def record(self, task):
        for name in ("yielded", "returned", "errored"):
            getattr(task, name).connect(getattr(self, name))
        task.finished.connect(self.finished)
        return task

    def _add(self, *event):
        self.threads.add(threading.get_ident())
        self.events.append(event)

    def yielded(self, step):
        self._add("yielded", step)

    def returned(self, result):
        self._add("returned", result)

    def errored(self, error):
        self._add("errored", repr(error))

    def finished(self):
        self._add("finished")

    @property
    def names(self):
        return [event[0] for event in self.events]


@pytest.fixture
def recorder():
    return SignalRecorder()


@pytest.fixture
def notifications():
    """A function that returns the messages napari has shown."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    yield lambda: [n.message for n in notification_manager.records]
    notification_manager.records.clear()
