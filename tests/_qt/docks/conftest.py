from types import SimpleNamespace
from typing import Any

import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow


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
