import gc
import sys
import threading
from contextlib import ExitStack
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
from qtpy.compat import isalive
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

from napari_segkit._qt.session import background, garbage, spare_models

SOON_MS = 20


@pytest.fixture(autouse=True)
def spare_folder(tmp_path_factory, monkeypatch):
    """An empty folder for spare copies of models, instead of that of the user."""
    folder = tmp_path_factory.getbasetemp() / "spare" / uuid4().hex
    monkeypatch.setattr("napari_segkit._qt.session.spare_models.spare_folder", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def remembered(tmp_path_factory):
    """An empty folder for what is remembered of a person's choices."""
    folder = tmp_path_factory.getbasetemp() / "remembered" / uuid4().hex
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Background calls do not wait for further edits of a person, except the search for models."""
    made = background.LatestCall.__init__

    def make(self, parent=None, *, wait_ms=0):
        is_search = wait_ms == spare_models.SEARCH_WAIT_MS
        made(self, parent, wait_ms=wait_ms if is_search else min(wait_ms, SOON_MS))

    monkeypatch.setattr(background.LatestCall, "__init__", make)
    yield
    for call in filter(isalive, list(background._calls)):  # a later test is not theirs
        call.cancel()


@pytest.fixture(autouse=True)
def freezes(monkeypatch):
    """Whether objects are frozen, last; here it is the tests that freeze them."""
    calls = [False]
    fake = SimpleNamespace(freeze=lambda: calls.append(True), unfreeze=lambda: calls.append(False))
    monkeypatch.setattr(garbage, "gc", fake)
    return calls


@pytest.fixture(autouse=True)
def no_task_left():
    """Fails a test that leaves a task running, unless it is about to end."""
    yield
    for thread in threading.enumerate():
        if thread.name == "segkit task":
            thread.join(10)
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


@pytest.fixture(scope="module")
def module_viewer(qapp):
    """A real viewer for the tests of a module, without a console; opening one takes seconds."""
    from app_model import Application
    from napari import Viewer
    from napari._app_model._app import NapariApplication, _napari_names
    from napari._qt._qapp_model.qactions import init_qactions
    from napari._qt.qt_viewer import QtViewer
    from napari.plugins import _initialize_plugins

    app = NapariApplication("module_app")
    app.injection_store.namespace = _napari_names
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        stack.callback(_forget, _initialize_plugins, init_qactions)
        stack.callback(Application.destroy, "module_app")
        patch.setattr(NapariApplication, "get_app_model", lambda: app)
        patch.setattr("napari._qt.threads.status_checker.StatusChecker.start", lambda _: None)
        patch.setattr("napari._qt.qt_viewer.QtViewer._get_console", _no_console)
        _forget(_initialize_plugins, init_qactions)
        viewer = Viewer(show=False, show_welcome_screen=False)
        QtViewer._instances.clear()  # `make_napari_viewer` would take it for a leak
        yield viewer
        patch.setattr(viewer.window._qt_window, "_save_current_window_settings", lambda: None)
        viewer.close()


def _no_console(*_):
    from qtpy.QtWidgets import QWidget

    console = QWidget()
    console._update_theme = lambda *_: None
    return console


def _forget(*cached):
    for function in cached:
        function.cache_clear()


@pytest.fixture
def shared_viewer(module_viewer, qtbot):
    """The viewer of the module, without layers and docks, as if it had just been opened.

    A test that closes its viewer, or needs two, takes `make_napari_viewer`.
    """
    yield module_viewer
    _empty(module_viewer)


@pytest.fixture
def shown_viewer(shared_viewer, qtbot):
    """The viewer of the module, in a window that is shown."""
    window = shared_viewer.window._qt_window
    with qtbot.waitExposed(window, timeout=10_000):
        shared_viewer.window.show()
    yield shared_viewer
    window.hide()


def _empty(viewer):
    from napari.settings import get_settings
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    from napari_segkit._qt.layers import volumes
    from napari_segkit._qt.session import session as sessions

    docks = list(viewer.window.dock_widgets.values())
    viewer.window.remove_dock_widget("all")
    for dock in docks:
        dock.deleteLater()
    viewer.layers.clear()
    sessions._sessions.pop(viewer, None)
    volumes._volumes.pop(viewer, None)
    viewer.dims.ndisplay, viewer.dims.order = 2, tuple(range(viewer.dims.ndim))
    viewer.scene.camera.orientation = ("towards", "down", "right")
    viewer.reset_view()
    viewer.title = "napari"
    get_settings().reset()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()  # what watched the viewer; all from before the test is frozen


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


@pytest.fixture
def light_viewer(make_light_viewer):
    """A viewer without a canvas, for tests of docks; adding a layer to a real one takes 0.3 s."""
    return make_light_viewer()
