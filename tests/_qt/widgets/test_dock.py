import threading

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument

from napari_segkit._qt.session.background import LatestCall, call_once
from napari_segkit._qt.widgets.dock import Dock, Note
from napari_segkit._qt.widgets.read_only_table import ReadOnlyTable


@pytest.fixture
def dock(light_viewer, qtbot):
    dock = Dock(light_viewer)
    qtbot.addWidget(dock)
    return dock


def test_a_dock_is_idle_when_its_background_calls_have_returned(dock):
    note, results, release = Note(), [], threading.Event()
    dock.add_group("Group", _note=note)
    call = LatestCall(note)
    call.returned.connect(results.append)
    assert dock.is_idle
    call.submit(lambda: release.wait(10))
    assert not dock.is_idle
    assert not dock.wait_idle(0.05)
    release.set()
    assert dock.wait_idle()
    assert results == [True]


def test_a_dock_is_idle_when_the_session_runs_no_task(dock):
    release = threading.Event()
    dock.session.run(call_once(release.wait, 10))
    assert not dock.is_idle
    release.set()
    assert dock.wait_idle()


def test_names_from_files_are_shown_as_they_are(qtbot):
    name = "<h1>cells</h1> & <img src='x'>"
    note, table = Note(name), ReadOnlyTable(["class"])
    for widget in (note, table):
        qtbot.addWidget(widget)
    table.setRowCount(1)
    table.set_row(0, [name])
    assert note.textFormat() == Qt.TextFormat.PlainText
    tooltip = QTextDocument()
    tooltip.setHtml(table.item(0, 0).toolTip())
    assert tooltip.toPlainText() == name


def test_a_group_stays_as_a_person_has_left_it(light_viewer):
    def group():
        return Dock(light_viewer).add_group("Tiles", opened=False, _note=Note("text"))

    tiles = group()
    assert not tiles.isExpanded()
    tiles.set_open(True)  # by code
    assert not group().isExpanded()
    group().toggleButton().click()
    assert group().isExpanded()
