import gc
import threading
import time
import weakref
from functools import partial

import numpy as np
import pytest
from napari.utils import progress
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtWidgets import QApplication, QPushButton

from napari_segkit import Segmenter
from napari_segkit._qt.session.background import call_once
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
def viewer_session(light_viewer):
    return session(light_viewer)


def wait_for(qtbot, task):
    with qtbot.waitSignal(task.finished, timeout=60_000):
        pass


def test_a_viewer_has_one_session_also_through_a_proxy(shared_viewer):
    proxy = PublicOnlyProxy(shared_viewer)
    assert session(proxy) is session(shared_viewer)
    assert session(proxy).viewer is shared_viewer


def test_two_viewers_have_two_sessions(make_light_viewer):
    one, two = make_light_viewer(), make_light_viewer()
    assert session(one) is not session(two)


def test_the_segmenter_can_be_replaced(viewer_session, qtbot):
    assert isinstance(viewer_session.segmenter, Segmenter)
    assert viewer_session.segmenter is viewer_session.segmenter
    other = Segmenter(ModelSpec(encoder="resnet34"))
    with qtbot.waitSignal(viewer_session.segmenter_changed):
        viewer_session.segmenter = other
    assert viewer_session.segmenter is other


def test_run_reports_its_result_and_is_busy_until_then(viewer_session, qtbot, recorder):
    busy = []
    viewer_session.busy_changed.connect(busy.append)
    task = recorder.record(viewer_session.run(count(30, result="done"), title="Counting"))
    assert viewer_session.task is task
    assert [bar.desc for bar in bars()] == ["Counting"]
    wait_for(qtbot, task)
    assert ("returned", "done") in recorder.events
    assert busy == [True, False]
    assert viewer_session.task is None
    assert bars() == []


def test_progress_follows_the_steps(viewer_session, qtbot):
    task = viewer_session.run(count(40))
    shown = []
    task.yielded.connect(lambda step: shown.append((bars()[0].n, bars()[0].total, step.done)))
    wait_for(qtbot, task)
    assert len(shown) > 2
    assert all(n == done and total == 40 for n, total, done in shown)


def test_the_bar_of_the_activity_dock_cancels(shared_viewer, qtbot, recorder):
    task = recorder.record(session(shared_viewer).run(count(10_000)))
    window = shared_viewer.window.main_menu.window()
    button = next(b for b in window.findChildren(QPushButton) if b.text() == "Cancel")
    with qtbot.waitSignal(task.finished, timeout=5000):
        button.click()
    assert "returned" not in recorder.names
    assert bars() == []


def test_one_at_a_time(viewer_session, qtbot):
    task = viewer_session.run(count(10_000), title="Training")
    with pytest.raises(ValueError, match="Training is still running"):
        viewer_session.run(count(3))
    viewer_session.stop()
    wait_for(qtbot, task)
    wait_for(qtbot, viewer_session.run(count(3)))


def test_garbage_is_searched_among_new_objects_only_while_it_works(viewer_session, qtbot, freezes):
    task = viewer_session.run(count(3))
    assert freezes[-1]
    wait_for(qtbot, task)
    qtbot.waitUntil(lambda: not freezes[-1])


def test_that_is_so_until_all_windows_have_ended_their_work(make_light_viewer, qtbot, freezes):
    one, two = session(make_light_viewer()), session(make_light_viewer())
    first, second = one.run(count(1)), two.run(count(10**6, pause=0.001))
    wait_for(qtbot, first)
    QApplication.processEvents()
    assert freezes[-1]
    second.stop()
    qtbot.waitUntil(lambda: not freezes[-1])


def test_only_generators_are_accepted(viewer_session):
    with pytest.raises(TypeError, match="give a generator"):
        viewer_session.run(Segmenter())
    assert viewer_session.task is None


def test_an_error_is_shown_once(viewer_session, qtbot, notifications):
    expected = {
        ValueError("The labels are empty; paint some."): "The labels are empty; paint some.",
        RuntimeError("shape\nmismatch."): "Training failed: shape mismatch; details in the log.",
        AssertionError(): "Training failed: AssertionError; details in the log.",
    }

    def work(error):
        yield Step(1, 2)
        raise error

    for error in expected:
        wait_for(qtbot, viewer_session.run(work(error), title="Training"))
        assert viewer_session.task is None
    assert notifications() == [*expected.values()]


def test_torch_leaves_the_window_a_core(viewer_session, qtbot, monkeypatch):
    import torch

    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    threads = []

    def work():
        threads.append((torch.get_num_threads(), threading.current_thread().name))
        yield Step(1, 1)

    wait_for(qtbot, viewer_session.run(work()))
    torch.set_num_threads(before)
    assert threads == [(3, "segkit task")]


def small_problem(viewer):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(64, 64)).astype(np.float32)
    image[20:44, 20:44] += 5
    labels = np.zeros((64, 64), np.uint8)
    labels[2:10, 2:60], labels[26:38, 26:38] = 1, 2
    session(viewer).segmenter = Segmenter(ModelSpec("segresnet", dims="2D"))  # trains fastest
    return viewer.add_image(image), viewer.add_labels(labels)


def test_the_console_line_trains_the_segmenter_of_the_docks(light_viewer, qtbot):
    viewer = light_viewer
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    changes = []
    session(viewer).segmenter_changed.connect(lambda: changes.append(seg.is_trained))
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2)
    task = session(viewer).run(seg.train_epochs(image, labels, config))
    wait_for(qtbot, task)
    assert changes == [True]
    wait_for(qtbot, session(viewer).run(seg.predict_tiles(image)))
    assert changes == [True]


def test_only_a_training_is_one_of_the_same_model(light_viewer, qtbot):
    viewer = light_viewer
    image, labels = small_problem(viewer)
    here, seg = session(viewer), session(viewer).segmenter
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2)
    loaded = Segmenter(seg.spec).fit(image, labels, config)
    ids = []
    for _ in range(2):
        wait_for(qtbot, here.run(seg.train_epochs(image, labels, config)))
        ids.append(seg.trained.identity)
    task = here.run(call_once(lambda: loaded))  # as the Model dock loads a file
    task.returned.connect(partial(setattr, here, "segmenter"))
    wait_for(qtbot, task)
    assert here.segmenter is loaded
    assert here.first_training(ids[1]) == ids[0]
    assert here.first_training(loaded.trained.identity) == loaded.trained.identity


def test_a_layer_can_be_deleted_during_training(light_viewer, qtbot):
    viewer = light_viewer
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    config = TrainConfig(epochs=1, steps_per_epoch=4, batch_size=2)
    task = session(viewer).run(seg.train_epochs(image, labels, config))
    with qtbot.waitSignal(task.yielded, timeout=30_000):
        pass
    viewer.layers.clear()
    wait_for(qtbot, task)
    assert seg.is_trained


def test_a_stopped_training_keeps_the_model(light_viewer, qtbot):
    viewer = light_viewer
    image, labels = small_problem(viewer)
    seg = session(viewer).segmenter
    task = session(viewer).run(seg.train_epochs(image, labels, TrainConfig(batch_size=2)))
    with qtbot.waitSignal(task.yielded, timeout=30_000):
        pass
    with qtbot.waitSignals([task.finished, session(viewer).segmenter_changed], timeout=30_000):
        session(viewer).stop()
    assert seg.is_trained


def test_closing_the_window_stops_the_work(make_napari_viewer, qtbot, recorder, notifications):
    viewer = make_napari_viewer()
    task = recorder.record(session(viewer).run(count(10_000)))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        pass
    viewer.close()
    wait_for(qtbot, task)
    assert "returned" not in recorder.names
    assert bars() == []
    assert notifications() == []


def test_an_error_after_the_window_closed_is_not_shown(make_napari_viewer, qtbot, notifications):
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
    wait_for(qtbot, task)
    assert notifications() == []


def test_a_session_does_not_keep_its_viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    viewer_session = session(viewer)
    task = viewer_session.run(count(10_000))
    gone = weakref.ref(viewer)
    viewer.close()
    wait_for(qtbot, task)
    del viewer
    qtbot.wait(10)
    gc.collect()
    assert gone() is None
    assert viewer_session.viewer is None


def test_a_viewer_left_open_while_it_runs_is_closed_by_the_fixture(make_napari_viewer, qtbot):
    task = session(make_napari_viewer()).run(count(10_000))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        pass
    task.stop()
    assert task.wait(5)
