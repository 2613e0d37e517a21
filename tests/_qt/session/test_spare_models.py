import gc
import os
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter
from napari_segkit._qt.session.session import Session
from napari_segkit._qt.session.spare_models import (
    KEEP_AT_MOST,
    KEEP_DAYS,
    LOCK_DAYS,
    SpareFile,
    find_model,
    load_found,
    new_spare,
    remove_old,
)
from napari_segkit._qt.widgets.dock import Dock
from napari_segkit.steps import Step


@pytest.fixture(scope="module")
def data():
    image = np.random.default_rng(0).normal(size=(32, 32))
    image[:16] += 5
    labels = np.ones(image.shape, np.uint8)
    labels[:16] = 2
    return image, labels


@pytest.fixture
def trained(data):
    return lambda: Segmenter(ModelSpec("pixels")).fit(*data)


def spares(folder):
    return sorted(folder.glob("*.segkit"))


def close(viewer):
    """Tell the session that the window is gone."""
    viewer.window.main_menu.window().destroyed.emit()


def dock_of(viewer, qtbot):
    dock = Dock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    return dock


def offered(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.spare_offer.isHidden(), timeout=20_000)
    return dock.spare_offer


def test_a_model_is_kept_until_it_is_saved(make_light_viewer, trained, data, spare_folder, qtbot):
    session = Session(make_light_viewer())
    session.segmenter = segmenter = trained()
    qtbot.waitUntil(lambda: len(spares(spare_folder)) == 1)
    copy = Segmenter.load(spares(spare_folder)[0])
    np.testing.assert_array_equal(copy.predict(data[0]), segmenter.predict(data[0]))
    segmenter.save(spare_folder.parent / "mine.segkit")
    assert segmenter.is_saved
    session.segmenter_changed.emit()
    qtbot.waitUntil(lambda: spares(spare_folder) == [])


def test_a_model_that_is_replaced_or_restored_is_followed(
    make_light_viewer, trained, spare_folder, qtbot
):
    session, one, other = Session(make_light_viewer()), trained(), trained()
    session.segmenter = one
    qtbot.waitUntil(lambda: len(spares(spare_folder)) == 1)
    one.previous = other.trained
    one.restore()
    session.segmenter_changed.emit()
    identity = other.trained.identity
    qtbot.waitUntil(lambda: Segmenter.load(spares(spare_folder)[0]).trained.identity == identity)
    session.segmenter = Segmenter()
    qtbot.waitUntil(lambda: spares(spare_folder) == [])


def test_a_training_stopped_by_closing_the_window_is_kept(
    make_light_viewer, data, spare_folder, qtbot
):
    viewer = make_light_viewer()
    session = Session(viewer)

    def training():
        try:
            yield Step(1, 2)
            while True:
                yield Step(2, 2)
        finally:
            session.segmenter.trained = Segmenter(ModelSpec("pixels")).fit(*data).trained

    task = session.run(training())
    with qtbot.waitSignal(task.yielded):
        pass
    began = monotonic()
    close(viewer)
    assert monotonic() - began < 1
    qtbot.waitUntil(lambda: not task.is_running, timeout=10_000)
    assert len(spares(spare_folder)) == 1
    assert find_model() is not None  # nobody holds it


def test_the_next_window_offers_a_model_and_this_one_does_not(
    make_light_viewer, trained, spare_folder, qtbot
):
    first = make_light_viewer()
    session = Session(first)
    session.segmenter = trained()
    qtbot.waitUntil(lambda: session.spare.is_current)
    assert find_model() is None  # the window is open
    close(first)
    qtbot.waitUntil(lambda: not session.spare._mirrors.is_busy)
    second, third = make_light_viewer(), make_light_viewer()
    dock = dock_of(second, qtbot)
    offer = offered(dock, qtbot)
    assert f"{datetime.now():%d %B %Y}" in offer.text
    assert "Pixel classifier; classes: class 1, class 2" in offer.text
    assert find_model() is None  # offered once
    offer.answer("Load")
    assert dock.wait_idle()
    assert dock.session.segmenter.trained.identity == session.segmenter.trained.identity
    assert not dock.session.segmenter.is_saved
    assert offer.isHidden()
    assert find_model() is None  # it is kept for this window
    assert len(spares(spare_folder)) == 1
    close(second)
    qtbot.waitUntil(lambda: not dock.session.spare._mirrors.is_busy)
    offered(dock_of(third, qtbot), qtbot).answer("Discard")
    assert spares(spare_folder) == []


def test_later_leaves_a_model_to_the_next_start(make_light_viewer, trained, spare_folder, qtbot):
    spare_folder.mkdir(parents=True)
    trained().save(spare_folder / "a.segkit")
    offer = offered(dock_of(make_light_viewer(), qtbot), qtbot)
    offer.answer("Later")
    assert offer.isHidden()
    assert find_model().spare.path.name == "a.segkit"


def test_a_loaded_spare_model_can_be_undone(make_light_viewer, trained, spare_folder, qtbot):
    spare_folder.mkdir(parents=True)
    trained().save(spare_folder / "a.segkit")
    dock = dock_of(make_light_viewer(), qtbot)
    dock.session.segmenter = mine = trained()
    offered(dock, qtbot).answer("Load")
    assert dock.wait_idle()
    assert dock.session.segmenter.previous is mine.trained


def test_a_loaded_spare_model_needs_no_file_of_weights(trained, spare_folder):
    segmenter = trained()
    gone = replace(segmenter.trained.spec, weights=str(spare_folder / "gone.pt"))
    segmenter.trained = replace(segmenter.trained, spec=gone)
    spare_folder.mkdir(parents=True)
    segmenter.save(spare_folder / "a.segkit")
    loaded = load_found(find_model(), Segmenter())[1]
    assert loaded.trained.identity == segmenter.trained.identity


def test_a_model_that_nobody_will_miss_is_not_kept(make_light_viewer, trained, spare_folder, qtbot):
    session = Session(make_light_viewer())
    session.segmenter = trained()
    qtbot.waitUntil(lambda: len(spares(spare_folder)) == 1)
    session.spare.dismiss()
    session.segmenter_changed.emit()
    assert session.spare.is_current
    assert spares(spare_folder) == []
    session.segmenter = trained()
    qtbot.waitUntil(lambda: len(spares(spare_folder)) == 1)


def test_damaged_files_are_not_offered(trained, spare_folder):
    spare_folder.mkdir(parents=True)
    path = spare_folder / "a.segkit"
    trained().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    (spare_folder / "b.segkit").write_bytes(b"")
    assert find_model() is None


def test_old_and_many_files_are_removed_but_not_those_in_use(spare_folder):
    spare_folder.mkdir(parents=True)
    now = datetime.now().timestamp()
    old = now - timedelta(days=KEEP_DAYS, hours=1).total_seconds()
    in_use = new_spare()
    for number, path in enumerate([in_use.path, *(spare_folder / f"{i}.segkit" for i in range(8))]):
        path.write_bytes(b"x")
        os.utime(path, (now + 9 - number,) * 2)
    os.utime(in_use.path, (old, old))
    os.utime(spare_folder / "1.segkit", (old, old))
    part = spare_folder / ".killed.segkit.123.part"
    part.write_bytes(b"x")
    remove_old()
    kept = {path.name for path in spares(spare_folder)}
    assert kept == {in_use.path.name, *(f"{i}.segkit" for i in (0, 2, 3, 4, 5))}
    assert len(kept) == KEEP_AT_MOST + 1
    assert not part.exists()
    in_use.release()


def test_a_killed_process_leaves_its_file_to_others(spare_folder):
    held = new_spare()
    assert not SpareFile(held.path).hold()
    del held
    gc.collect()
    # a lock of a process that is gone
    path = spare_folder / "a.segkit"
    lock = path.with_suffix(".lock")
    lock.write_text("999999999\npython\n\n\n\n")
    assert SpareFile(path).hold()


def test_a_file_that_another_computer_left_is_free_after_days(spare_folder):
    spare_folder.mkdir(parents=True)
    lock = spare_folder / "a.lock"
    lock.write_text("1\npython\nanother-computer\nid\nboot\n")
    assert not SpareFile(lock.with_suffix(".segkit")).hold()
    before = (datetime.now() - timedelta(days=LOCK_DAYS, hours=1)).timestamp()
    os.utime(lock, (before, before))
    assert SpareFile(lock.with_suffix(".segkit")).hold()


def test_a_full_disk_does_not_fail_the_training(
    make_light_viewer, data, spare_folder, qtbot, notifications, monkeypatch
):
    def fail(*_):
        raise OSError(28, "No space left on device", "x.segkit")

    monkeypatch.setattr("napari_segkit.model_file.save", fail)
    session = Session(make_light_viewer())
    session.segmenter = Segmenter(ModelSpec("pixels"))
    task = session.run(session.segmenter.train_epochs(*data))
    with qtbot.waitSignal(task.returned, timeout=10_000):
        pass
    assert session.segmenter.is_trained
    assert notifications() == [
        "No spare copy of the model was written, save it: x.segkit: No space left on device"
    ]
