import pytest
from qtpy.QtWidgets import QTabWidget, QWidget

from napari_segkit._qt.widgets.when_visible import WhenVisible, catch_up


@pytest.fixture
def tabs(qtbot):
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    for title in "ab":
        tabs.addTab(QWidget(), title)
    return tabs


@pytest.fixture
def calls():
    return []


def test_updates_behind_another_tab_are_made_once_when_it_is_shown(tabs, calls):
    update = WhenVisible(tabs.widget(1), lambda: calls.append("b"))
    tabs.show()
    update.request()
    update.request(True)
    assert calls == []
    tabs.setCurrentIndex(1)
    assert calls == ["b"]
    update.request()
    assert calls == ["b", "b"]
    tabs.setCurrentIndex(0)
    tabs.setCurrentIndex(1)
    assert calls == ["b", "b"]


def test_updates_are_made_at_once_in_a_window_that_is_not_shown(tabs, calls):
    WhenVisible(tabs.widget(1), lambda: calls.append("b")).request()
    assert calls == ["b"]


def test_code_can_catch_up_with_updates_and_what_they_make_due(tabs, calls):
    first = WhenVisible(tabs.widget(1), lambda: calls.append("first"))
    second = WhenVisible(tabs.widget(1), lambda: (calls.append("second"), first.request()))
    tabs.show()
    second.request()
    catch_up(tabs)
    assert calls == ["second", "first"]
    assert not first.is_due
    assert not second.is_due
