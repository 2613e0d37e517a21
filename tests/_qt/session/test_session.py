import gc
import threading
import time
import weakref

import numpy as np
import pytest
from napari.utils import progress
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QPushButton

from napari_segkit import Segmenter
from napari_segkit._qt.session.session import session
from napari_segkit.config import ModelSpec, TrainConfig
from napari_segkit.steps import Step


def count(n, *, pause=0.01, result=None):
    for i in range(n):
        time.sleep(pause)
        yield Step(i + 1, n)
    return result


def bars():
    return list(progress._all_instances)


@pytest.fixture
def held(make_napari_viewer):
    return session(make_napari_viewer())


@pytest.fixture
def errors():
    notification_manager.records.clear()
    yield lambda: [n.message for n in notification_manager.records]
    notification_manager.records.clear()


def finish(qtbot, task):
    with qtbot.waitSignal(task.finished, timeout=20_000):
        pass


def test_a_viewer_has_one_session_also_through_a_proxy(make_napari_viewer_proxy):
    proxy = make_napari_viewer_proxy()
    assert session(proxy) is session(proxy.__wrapped__)
    assert session(proxy).viewer is proxy.__wrapped__


def test_two_viewers_have_two_sessions(make_napari_viewer):
    one, two = make_napari_viewer(), make_napari_viewer()
    assert session(one) is not session(two)


def test_the_segmenter_can_be_replaced(held, qtbot):
    assert isinstance(held.segmenter, Segmenter)
    assert held.segmenter is held.segmenter
    other = Segmenter(ModelSpec(encoder="resnet34"))
    with qtbot.waitSignal(held.segmenter_changed):
        held.segmenter = other
    assert held.segmenter is other


def test_work_runs_and_says_so(held, qtbot, heard):
    busy = []
    held.busy_changed.connect(busy.append)
    task = heard.listen(held.run(count(30, result="done"), title="Counting"))
    assert held.task is task
    assert [bar.desc for bar in bars()] == ["Counting"]
    finish(qtbot, task)
    assert ("returned", "done") in heard.events
    assert busy == [True, False]
    assert held.task is None
    assert bars() == []


def test_progress_follows_the_steps(held, qtbot):
    task = held.run(count(40))
    seen = []
    task.yielded.connect(lambda step: seen.append((bars()[0].n, bars()[0].total, step.done)))
    finish(qtbot, task)
    assert len(seen) > 2
    assert all(n == done and total == 40 for n, total, done in seen)


def test_the_bar_of_the_activity_dock_cancels(held, qtbot, heard):
    task = heard.listen(held.run(count(10_000)))
    window = held.viewer.window.main_menu.window()
    button = next(b for b in window.findChildren(QPushButton) if b.text() == "Cancel")
    with qtbot.waitSignal(task.finished, timeout=5000):
        button.click()
    assert "returned" not in heard.names
    assert bars() == []


def test_one_at_a_time(held, qtbot):
    task = held.run(count(10_000), title="Training")
    with pytest.raises(ValueError, match="Training is still running"):
        held.run(count(3))
    held.stop()
    finish(qtbot, task)
    finish(qtbot, held.run(count(3)))


def test_what_is_no_generator_is_refused(held):
    with pytest.raises(TypeError, match="give a generator"):
        held.run(Segmenter())
    assert held.task is None


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_an_error_is_shown_once_as_its_sentence(held, qtbot, errors, kind):
    def work():
        yield Step(1, 2)
        raise kind("The labels are empty; paint some.")

    finish(qtbot, held.run(work()))
    assert errors() == ["The labels are empty; paint some."]
    assert held.task is None


def test_an_error_without_words_is_named(held, qtbot, errors):
    def work():
        yield Step(1, 2)
        raise AssertionError

    finish(qtbot, held.run(work(), title="Training"))
    assert errors() == ["Training failed: AssertionError."]


def test_torch_leaves_the_window_a_core(held, qtbot, monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    seen = []

    def work():
        seen.append((torch.get_num_threads(), threading.current_thread().name))
        yield Step(1, 1)

    finish(qtbot, held.run(work()))
    torch.set_num_threads(before)
    assert seen == [(3, "segkit task")]


def small_problem(viewer):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(64, 64)).astype(np.float32)
    image[20:44, 20:44] += 5
    labels = np.zeros((64, 64), np.uint8)
    labels[2:10, 2:60], labels[26:38, 26:38] = 1, 2
    return viewer.add_image(image), viewer.add_labels(labels)


def test_the_console_line_trains_the_segmenter_of_the_docks(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    heard = []
    session(viewer).segmenter_changed.connect(lambda: heard.append(seg.is_trained))
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2)
    task = session(viewer).run(seg.train_epochs(image, labels, config))
    finish(qtbot, task)
    assert heard == [True]
    finish(qtbot, session(viewer).run(seg.predict_tiles(image)))
    assert heard == [True]


def test_a_layer_deleted_while_it_trains_disturbs_nothing(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    config = TrainConfig(epochs=1, steps_per_epoch=4, batch_size=2)
    task = session(viewer).run(seg.train_epochs(image, labels, config))
    with qtbot.waitSignal(task.yielded, timeout=30_000):
        pass
    viewer.layers.clear()
    finish(qtbot, task)
    assert seg.is_trained


def test_training_stopped_keeps_what_was_learned(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    task = session(viewer).run(seg.train_epochs(image, labels, TrainConfig(batch_size=2)))
    with qtbot.waitSignal(task.yielded, timeout=30_000):
        pass
    with qtbot.waitSignals([task.finished, session(viewer).segmenter_changed], timeout=30_000):
        session(viewer).stop()
    assert seg.is_trained


def test_closing_the_window_stops_the_work(make_napari_viewer, qtbot, heard, errors):
    viewer = make_napari_viewer()
    task = heard.listen(session(viewer).run(count(10_000)))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        pass
    viewer.close()
    finish(qtbot, task)
    assert "returned" not in heard.names
    assert bars() == []
    assert errors() == []


def test_an_error_after_the_window_closed_is_kept_quiet(make_napari_viewer, qtbot, errors):
    viewer = make_napari_viewer()
    go = threading.Event()

    def work():
        yield Step(1, 2)
        go.wait(5)
        raise ValueError("too late")

    task = session(viewer).run(work())
    viewer.close()
    qtbot.wait(50)
    go.set()
    finish(qtbot, task)
    assert errors() == []


def test_a_session_does_not_keep_its_viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    held = session(viewer)
    task = held.run(count(10_000))
    gone = weakref.ref(viewer)
    viewer.close()
    finish(qtbot, task)
    del viewer
    qtbot.wait(10)
    gc.collect()
    assert gone() is None
    assert held.viewer is None


def test_a_viewer_left_open_while_it_runs_is_closed_by_the_fixture(make_napari_viewer, qtbot):
    task = session(make_napari_viewer()).run(count(10_000))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        pass
    task.stop()
    assert task.wait(5)
