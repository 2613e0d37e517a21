from time import sleep

import pytest
from qtpy.QtCore import QEvent, Qt

from napari_segkit._qt.session.session import session
from napari_segkit._qt.widgets.run_bar import RunBar
from napari_segkit.steps import Job, Step

MESSAGE = "The labels are empty; paint some."


def failing():
    yield Step(1, 2)
    raise ValueError(MESSAGE)


@pytest.fixture
def viewer_session(light_viewer):
    return session(light_viewer)


@pytest.fixture
def bar(viewer_session, qtbot):
    bar = RunBar(viewer_session, "Train")
    qtbot.addWidget(bar)
    with qtbot.waitExposed(bar):
        bar.show()
    return bar


def test_an_error_is_shown_in_the_bar_and_not_as_a_notification(bar, qtbot, notifications):
    with qtbot.waitSignal(bar.finished, timeout=20_000):
        bar.run(Job("Training", failing()))
    assert bar.status.text() == MESSAGE
    assert notifications() == []


def test_the_time_left_is_told_from_the_second_step_on(bar, qtbot, monkeypatch):
    clock = iter((100.0, 130.0, 160.0))
    monkeypatch.setattr("napari_segkit._qt.widgets.run_bar.monotonic", lambda: next(clock))
    told = []
    bar.yielded.connect(lambda _: told.append(bar.time_left))

    class Shown(Step):
        is_event = True  # none is left out

    with qtbot.waitSignal(bar.finished, timeout=20_000):
        # it goes on after half of the work: 30 seconds for each of the steps 51, 52 and 53
        bar.run(Job("Prediction", (Shown(done, 100) for done in (51, 52, 53))))
    assert told == ["", ", 24:00 left", ", 23:30 left"]


def test_an_error_in_a_hidden_bar_is_a_notification_too(bar, qtbot, notifications):
    bar.hide()  # such as in another tab of the workbench
    with qtbot.waitSignal(bar.finished, timeout=20_000):
        bar.run(Job("Training", failing()))
    assert bar.status.text() == MESSAGE
    assert notifications() == [MESSAGE]


def test_an_error_of_the_console_is_a_notification_only(bar, viewer_session, qtbot, notifications):
    with qtbot.waitSignal(viewer_session.run(failing()).finished, timeout=20_000):
        pass
    assert bar.status.text() == ""
    assert notifications() == [MESSAGE]


def test_an_error_after_its_bar_was_deleted_is_a_notification(
    viewer_session, qtbot, qapp, notifications
):
    bar = RunBar(viewer_session, "Train")
    task = bar.run(Job("Training", failing()))
    bar.deleteLater()
    qapp.sendPostedEvents(bar, QEvent.Type.DeferredDelete.value)
    with qtbot.waitSignal(task.finished, timeout=20_000):
        pass
    assert notifications() == [MESSAGE]


def test_the_bar_names_its_steps_and_copies_its_code(viewer_session, qtbot, qapp):
    bar = RunBar(viewer_session, "Predict", unit="Tile", code=lambda: "predict()")
    qtbot.addWidget(bar)
    texts = []
    bar.yielded.connect(lambda _: texts.append(bar.status.text()))
    with qtbot.waitSignal(bar.finished, timeout=20_000):
        bar.run(Job("Prediction", failing()))
    assert texts == ["Tile 1 of 2"]
    bar.set_reason(MESSAGE)
    assert not bar.copy_button.isEnabled()
    bar.set_reason(None)
    bar.copy_button.click()
    assert qapp.clipboard().text() == "predict()"


def test_a_bar_without_code_offers_none_to_copy(bar):
    assert bar.copy_button.isHidden()


def test_a_double_click_starts_and_does_not_stop(make_light_viewer, qtbot):
    bar = RunBar(session(make_light_viewer(show=True)), "Train")
    qtbot.addWidget(bar)
    bar.show()
    outcomes = []
    bar.pressed.connect(lambda: bar.run(Job("Training", iter_steps())))
    bar.returned.connect(outcomes.append)
    bar.stopped.connect(lambda: outcomes.append("stopped"))
    with qtbot.waitSignal(bar.finished, timeout=20_000):
        qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
        qtbot.mouseDClick(bar.button, Qt.MouseButton.LeftButton)
        qtbot.mouseRelease(bar.button, Qt.MouseButton.LeftButton)
    assert outcomes == ["trained"]


def iter_steps():
    for i in range(20):
        sleep(0.005)
        yield Step(i + 1, 20)
    return "trained"
