import gc
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QObject

from napari_segkit._qt.session.task import Task
from napari_segkit.steps import Step, Waiting


def count(n, *, pause=0.0, result="done"):
    for i in range(n):
        time.sleep(pause)
        yield Step(i + 1, n)
    return result


def run(qtbot, task):
    with qtbot.waitSignal(task.finished, timeout=10_000):
        task.start()


def test_a_result_arrives_after_the_last_step_and_before_finished(qtbot, recorder):
    run(qtbot, recorder.record(Task(count(5, pause=0.03))))
    assert recorder.names[-3:] == ["yielded", "returned", "finished"]
    assert recorder.events[-3:-1] == [("yielded", Step(5, 5)), ("returned", "done")]


def test_signals_wait_until_somebody_may_listen(qtbot, qapp, recorder):
    task = recorder.record(Task(count(3)))
    task.start_thread()
    assert task.wait(10)
    qapp.processEvents()
    assert recorder.names == []
    with qtbot.waitSignal(task.finished, timeout=10_000):
        task.send_signals()
    assert recorder.names == ["yielded", "returned", "finished"]


def test_signals_arrive_on_the_gui_thread_and_the_work_is_elsewhere(qtbot, recorder):
    work_threads = []

    def work():
        work_threads.append(threading.get_ident())
        yield Step(1, 1)

    run(qtbot, recorder.record(Task(work())))
    assert recorder.threads == {threading.get_ident()}
    assert work_threads[0] != threading.get_ident()


def test_yielded_is_sent_at_most_fifteen_times_a_second(qtbot, recorder):
    began = time.monotonic()
    run(qtbot, recorder.record(Task(count(3000, pause=0.0001))))
    assert recorder.names.count("yielded") <= 2 + 16 * (time.monotonic() - began)
    assert ("yielded", Step(3000, 3000)) in recorder.events


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory"),
        ValueError("no labels"),
        MemoryError(),
        SystemExit(1),
        KeyboardInterrupt(),
    ],
)
def test_errored_is_sent_for_any_error(qtbot, recorder, error):
    def work():
        yield Step(1, 2)
        raise error

    run(qtbot, recorder.record(Task(work())))
    assert recorder.names == ["yielded", "errored", "finished"]
    assert recorder.events[1] == ("errored", repr(error))


def test_a_thread_that_the_system_refuses_is_an_error(qtbot, recorder, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    task = recorder.record(Task(count(3)))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    run(qtbot, task)
    assert recorder.names == ["errored", "finished"]
    assert not task.is_running


def test_stop_ends_between_steps_and_closes_the_generator(qtbot, recorder):
    closed_in = []

    def work():
        try:
            while True:
                time.sleep(0.01)
                yield Step(1, 2)
        finally:
            closed_in.append(threading.current_thread().name)

    task = recorder.record(Task(work()))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        task.start()
    assert task.is_running
    with qtbot.waitSignal(task.finished, timeout=5000):
        task.stop()
    assert closed_in == ["segkit task"]
    assert not task.is_running
    assert "returned" not in recorder.names
    assert recorder.names.count("finished") == 1


def test_a_paused_task_takes_no_step_but_commands(qtbot):
    taken = []

    def work():
        while True:
            taken.append((yield Step(1, 1)))

    task = Task(work())
    task.is_paused = True
    task.start()
    task.send("snapshot")
    qtbot.waitUntil(lambda: taken == ["snapshot"])
    assert task.is_paused
    task.is_paused = False
    qtbot.waitUntil(lambda: len(taken) > 5)
    task.is_paused = True
    with qtbot.waitSignal(task.finished):
        task.stop()


def waiting(taken, total=3):
    """Ends after `total` commands; counts how often it was asked for a step."""
    while sum(command is not None for command in taken) < total:
        taken.append((yield Waiting(len(taken), total)))
    return taken


def test_a_waiting_task_sleeps_until_a_command(qtbot, recorder):
    taken = []
    task = recorder.record(Task(waiting(taken)))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        task.start()
    assert recorder.events == [("yielded", Waiting(0, 3))]
    with qtbot.waitSignal(task.finished, timeout=5000):
        for command in ("a", "b", "c"):
            task.send(command)
    assert taken == ["a", "b", "c"]
    assert recorder.names[-2:] == ["returned", "finished"]


@pytest.mark.parametrize("finish", [None, "finish"])
def test_a_stop_wakes_a_waiting_task(qtbot, finish):
    taken = []
    task = Task(waiting(taken, total=1), finish=finish)
    with qtbot.waitSignal(task.yielded, timeout=5000):
        task.start()
    with qtbot.waitSignal(task.finished, timeout=1000):
        task.stop()
    assert taken == ([] if finish is None else ["finish"])


def test_a_waiting_task_goes_on_by_itself_when_its_time_is_over(qtbot, recorder):
    def work():
        yield Waiting(1, 2, 0.01)
        return "done"

    run(qtbot, recorder.record(Task(work())))
    assert ("returned", "done") in recorder.events


def test_a_task_that_was_paused_still_waits(qtbot):
    taken = []
    task = Task(waiting(taken, total=2))
    with qtbot.waitSignal(task.yielded, timeout=5000):
        task.start()
    task.is_paused = True
    task.is_paused = False
    task.send("a")
    qtbot.waitUntil(lambda: taken == ["a"])
    with qtbot.waitSignal(task.finished, timeout=5000):
        task.send("b")
    assert taken == ["a", "b"]


def test_a_task_without_references_still_sends_its_result(qtbot, recorder):
    task = recorder.record(Task(count(3, pause=0.02)))
    task.start()
    del task
    gc.collect()
    qtbot.waitUntil(lambda: "finished" in recorder.names, timeout=5000)
    assert ("returned", "done") in recorder.events


def test_slots_that_process_events_do_not_change_the_order(qtbot, recorder, qapp):
    task = Task(count(4, pause=0.05))
    task.yielded.connect(lambda step: (time.sleep(0.1), qapp.processEvents()))
    run(qtbot, recorder.record(task))
    assert recorder.names.count("finished") == 1
    assert recorder.names[-2:] == ["returned", "finished"]


@pytest.mark.parametrize("fails", [False, True])
def test_arrays_are_released_when_it_has_finished(qtbot, fails):
    class Pixels(np.ndarray):
        pass

    def work(pixels):
        yield Step(1, 1)
        if fails:
            raise RuntimeError("failed")
        return pixels[:1].sum()

    pixels = np.zeros(1000).view(Pixels)
    gone = weakref.ref(pixels)
    task = Task(work(pixels))
    errors = []
    task.errored.connect(errors.append)
    del pixels
    gc.disable()
    try:
        run(qtbot, task)
        assert gone() is None
    finally:
        gc.enable()
    assert bool(errors) == fails


def test_wait_is_bounded(qtbot, recorder):
    task = recorder.record(Task(count(1, pause=0.3)))
    task.start()
    assert not task.wait(0.05)
    assert task.wait(5)
    qtbot.waitUntil(lambda: "finished" in recorder.names)


def test_a_destroyed_parent_stops_the_work(qtbot):
    parent = QObject()
    task = Task(count(1000, pause=0.01), parent)
    task.start()
    worker = next(t for t in threading.enumerate() if t.name == "segkit task")
    del task, parent
    gc.collect()
    worker.join(5)
    assert not worker.is_alive()


def test_commands_reach_the_work_one_by_one(qtbot, recorder):
    def work():
        received, step = [], Step(1, 2)
        while len(received) < 2:
            command = yield step
            received += [] if command is None else [command]
            step = Step(1, 2) if command is None else f"answer to {command}"
        yield step
        return received

    task = recorder.record(Task(work()))
    answers = []
    task.answered.connect(answers.append)
    task.send("pause")
    task.send("go on")
    run(qtbot, task)
    assert ("returned", ["pause", "go on"]) in recorder.events
    assert answers == ["answer to pause", "answer to go on"]


class FakeWriter:
    def __init__(self, fails_in=""):
        self.calls, self.fails_in = [], fails_in

    def prepare(self, result):
        self._called("prepare")

    def write(self, result):
        self._called("write")
        return f"layer of {result}"

    def _called(self, name):
        self.calls.append((name, threading.current_thread() is threading.main_thread()))
        if name == self.fails_in:
            raise ValueError(f"{name} failed")


def test_a_result_is_prepared_in_the_thread_and_written_on_the_gui_thread(qtbot, recorder):
    writer = FakeWriter()
    task, written = recorder.record(Task(count(1), writer=writer)), []
    task.written.connect(lambda layer: written.append((layer, list(recorder.names))))
    run(qtbot, task)
    assert writer.calls == [("prepare", False), ("write", True)]
    assert written == [("layer of done", ["yielded"])]
    assert recorder.names == ["yielded", "returned", "finished"]


@pytest.mark.parametrize("fails_in", ["prepare", "write"])
def test_a_result_that_cannot_be_written_is_an_error(qtbot, recorder, fails_in):
    run(qtbot, recorder.record(Task(count(1), writer=FakeWriter(fails_in))))
    assert recorder.names == ["yielded", "errored", "finished"]


def test_stopped_work_writes_nothing(qtbot):
    writer = FakeWriter()
    task = Task(count(1000, pause=0.01), writer=writer)
    with qtbot.waitSignal(task.yielded, timeout=5000):
        task.start()
    with qtbot.waitSignal(task.finished, timeout=5000):
        task.stop()
    assert writer.calls == []


def test_only_generators_are_accepted(qtbot):
    with pytest.raises(TypeError, match="give a generator"):
        Task([1, 2])


@pytest.mark.parametrize("step", ["time.sleep(0.01)", "time.sleep(0.5)"])
def test_the_interpreter_leaves_cleanly_while_a_task_runs(step):
    script = f"""
        import time
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication
        from napari_segkit._qt.session.task import Task
        def work():
            try:
                while True:
                    {step}
                    yield 1
            finally:
                print("closed", flush=True)
        app = QApplication([])
        task = Task(work())
        task.start()
        QTimer.singleShot(200, app.quit)
        app.exec()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")
