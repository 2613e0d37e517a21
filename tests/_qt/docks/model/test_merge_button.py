from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_segkit import ModelSpec, Segmenter, TrainConfig
from napari_segkit._qt.docks.model.model_dock import ModelDock

MS = 30_000


def image():
    pixels = np.full((40, 48), 20, np.uint8)
    pixels[8:16, 8:16] = pixels[24:32, 30:40] = 200
    return pixels


@pytest.fixture(scope="module")
def instance_model():
    ids = (image() > 99).astype(np.uint8)
    ids[24:] *= 2
    return Segmenter(ModelSpec("pixels", objects="components"), device="cpu").fit(image(), ids)


@pytest.fixture(scope="module")
def semantic_model():
    dense = TrainConfig(unlabelled=None, labels_are="classes")
    labels = ((image() > 99) + 1).astype(np.uint8)
    return Segmenter(ModelSpec("pixels"), device="cpu").fit(image(), labels, dense)


def copy(segmenter):
    """A segmenter with the same trained model."""
    copied = Segmenter(segmenter.spec, device="cpu")
    copied.trained = segmenter.trained
    return copied


@pytest.fixture
def dock(make_light_viewer):
    viewer = make_light_viewer()
    dock = ModelDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    assert dock.wait_idle()


def press(qtbot, dock, path, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    dock.merge.button.click()
    qtbot.waitUntil(lambda: dock.session.task is None, timeout=MS)


def test_only_an_instance_model_can_be_merged(dock, instance_model, semantic_model):
    button = dock.merge.button
    for held in (Segmenter(ModelSpec("maskrcnn"), device="cpu"), semantic_model):
        dock.session.segmenter = held
        assert not button.isEnabled()
        assert "predicts objects first" in button.toolTip()
    dock.session.segmenter = copy(instance_model)
    assert button.isEnabled()


def test_the_session_then_holds_the_merged_model(
    dock, instance_model, semantic_model, qtbot, tmp_path, monkeypatch
):
    semantic_model.save(tmp_path / "classes.segkit")
    dock.session.segmenter = instance = copy(instance_model)
    alone = instance.trained
    press(qtbot, dock, tmp_path / "classes.segkit", monkeypatch)
    merged = dock.session.segmenter
    assert [c.name for c in merged.classes] == ["background", "object", "class 1", "class 2"]
    assert set(merged.predict_objects(image()).table["kind"]) == {"thing", "stuff"}
    assert dock.merge.status.text().startswith("Merged.")
    assert "class 2" in dock.summary.text()
    assert not dock.merge.button.isEnabled()
    assert instance.trained is alone
    known = merged.trained.provenance | {"weights": "whole"}  # as of a model that others trained
    merged.trained = replace(merged.trained, provenance=known)
    dock.session.segmenter_changed.emit()
    assert dock.merge.status.text() == ""
    assert "class 2" in dock.summary.text()
    dock.undo_button.click()
    assert dock.session.segmenter.trained is alone
    assert dock.merge.button.isEnabled()


def test_an_unsuitable_file_is_reported_and_the_model_kept(
    dock, instance_model, qtbot, tmp_path, monkeypatch
):
    instance_model.save(tmp_path / "objects.segkit")
    dock.session.segmenter = held = copy(instance_model)
    press(qtbot, dock, tmp_path / "objects.segkit", monkeypatch)
    assert "trained to predict a class for every pixel" in dock.merge.status.text()
    assert dock.session.segmenter is held
    assert dock.merge.button.isEnabled()
