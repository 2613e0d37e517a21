"""The group Cross-validation of the Train dock."""

from threading import Event

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_segkit import (
    ModelSpec,
    Segmenter,
    TrainConfig,
    TrainingRow,
    TrainingSet,
    session,
)
from napari_segkit.cross_validation import run
from napari_segkit.cross_validation.events import FoldEnded


@pytest.fixture
def box(dock, qtbot):
    """Of a dock with three small images, and the pixel classifier."""
    session(dock.viewer).segmenter = Segmenter(ModelSpec("pixels"))
    labels = np.zeros((32, 32), np.uint8)
    labels[8:20, 8:20] = 1
    images = [np.random.default_rng(n).normal(size=(32, 32)) + 3 * labels for n in range(3)]
    rows = [TrainingRow(image, labels, name=f"image {n}") for n, image in enumerate(images)]
    session(dock.viewer).training_set = TrainingSet(rows)
    dock.set_config(TrainConfig(unlabelled=None, labels_are="classes"))
    assert dock.wait_idle()
    dock.folds.form.folds.value = 3
    return dock.folds


def titles(box):
    return [box.table.item(row, 0).text() for row in range(box.table.rowCount())]


def test_folds_are_listed_and_their_mean_becomes_the_model(dock, box):
    row = session(dock.viewer).training_set.rows[0]
    before = Segmenter(ModelSpec("pixels")).fit(row.image, row.labels, TrainConfig(unlabelled=None))
    session(dock.viewer).segmenter = before
    previous = before.trained
    box.run()
    assert dock.wait_idle()
    assert titles(box) == ["1", "2", "3", "mean", "std", "pooled"]
    assert box.bar.status.text() == box.result.summary()
    assert "image" in box.table.item(0, 0).toolTip()
    assert session(dock.viewer).segmenter.trained is previous
    box.table_button.click()
    assert QGuiApplication.clipboard().text().startswith("metric,class,fold 1,fold 2,fold 3")
    box.mean_button.click()
    segmenter = session(dock.viewer).segmenter
    assert (segmenter.trained.members, segmenter.previous) == (3, previous)
    assert "mean of 3" in session(dock.viewer).models.all[0].describe()
    assert "current" not in dock.start.choices


def test_stop_keeps_the_folds_that_are_complete(dock, box, monkeypatch):
    is_stopped, made, calls = Event(), run.make_trainer, []

    def make(*args, **options):
        """Begins the second training when Stop was pressed."""
        calls.append(args)
        assert len(calls) < 2 or is_stopped.wait(60)
        return made(*args, **options)

    def stop_after_the_first(step):
        if isinstance(step, FoldEnded):
            box.bar.button.click()
            is_stopped.set()

    monkeypatch.setattr(run, "make_trainer", make)
    box.bar.yielded.connect(stop_after_the_first)
    box.run()
    assert dock.wait_idle()
    assert titles(box) == ["1"]
    assert "over 1 of 3 folds" in box.bar.status.text()


def test_what_is_missing_is_said_and_the_code_runs(dock, box):
    namespace = {"viewer": dock.viewer}
    code = (
        box.code()
        .replace("session(viewer).run(", "steps = (")
        .replace(", title='Cross-validate')", ")")
    )
    exec(code, namespace)
    steps = namespace["steps"]
    assert next(steps).folds == 3
    steps.close()
    session(dock.viewer).training_set = TrainingSet(())
    assert dock.wait_idle()
    assert not box.bar.button.isEnabled()
