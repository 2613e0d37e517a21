import sys
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("qtpy", reason="the docks need Qt")
if sys.platform == "linux":
    import os

    if not (os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM")):
        pytest.skip("no display: run with xvfb-run -a", allow_module_level=True)

from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow


@pytest.fixture(autouse=True)
def spare_folder(tmp_path_factory, monkeypatch):
    """An empty folder for spare copies of models, instead of that of the user."""
    folder = tmp_path_factory.getbasetemp() / "spare" / uuid4().hex
    monkeypatch.setattr("napari_segkit._qt.session.spare_models.spare_folder", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def no_task_left():
    """Fails a test that leaves a task running, unless it is about to end."""
    yield
    for thread in threading.enumerate():
        if thread.name == "segkit task":
            thread.join(1)
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


class LightViewer(ViewerModel):
    """A viewer without a canvas, opened and closed in milliseconds."""

    _window: Any = None

    @property
    def window(self):
        return self._window


@pytest.fixture
def make_light_viewer(qtbot):
    viewers = []  # kept alive until the end of the test

    def make(*, show=False):
        main = QMainWindow()
        qtbot.addWidget(main)

        def add_dock_widget(widget, name=""):
            dock = QDockWidget(name)
            dock.setWidget(widget)
            main.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)

        viewer = LightViewer()
        viewer._window = SimpleNamespace(
            main_menu=main.menuBar(),
            add_dock_widget=add_dock_widget,
            remove_dock_widget=lambda widget: widget.setParent(None),
        )
        main.setVisible(show)
        viewers.append(viewer)
        return viewer

    yield make
    viewers.clear()
