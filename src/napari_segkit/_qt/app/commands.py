"""Commands of napari's palette and menus that act on the workbench."""

from napari.viewer import Viewer

from .workbench import Workbench

PLUGIN, TITLE = "napari-segkit", "SegKit workbench"


def save_project(viewer: Viewer) -> None:
    """Save the project of the workbench."""
    workbench_of(viewer).project_row.save()


def open_project(viewer: Viewer) -> None:
    """Open a project in the workbench."""
    workbench_of(viewer).project_row.open()


def workbench_of(viewer: Viewer) -> Workbench:
    """The workbench of a viewer, which is opened if there is none."""
    docks = viewer.window.dock_widgets.values()
    opened = next((dock for dock in docks if isinstance(dock, Workbench)), None)
    return opened or viewer.window.add_plugin_dock_widget(PLUGIN, TITLE)[1]
