from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog
from torch.nn import Identity

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit._qt.docks.model.model_dock import ModelDock
from napari_segkit._qt.session.background import call_once
from napari_segkit._qt.session.trained_here import KEEP_AT_MOST, TrainedModels
from napari_segkit.steps import Step

QUICK = TrainConfig(
    epochs=1, steps_per_epoch=1, batch_size=2, unlabelled=None, tile=TileConfig(tile_size=64)
)


@pytest.fixture(scope="module")
def trained():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    labels = np.ones((32, 32), np.uint8)
    labels[:16] = 2
    return Segmenter(device="cpu").fit(pixels, labels, QUICK).trained


@pytest.fixture
def fitted(trained):
    segmenter = Segmenter(device="cpu")
    segmenter.trained = trained
    return segmenter


@pytest.fixture
def dock(make_light_viewer):
    viewer = make_light_viewer()
    dock = ModelDock(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    assert dock.wait_idle()


@pytest.fixture
def holding(dock, fitted):
    dock.session.segmenter = fitted
    return dock


def choose_encoder(dock, name="resnet34"):
    dock.form.encoder.value = name


def idle(qtbot, dock):
    qtbot.waitUntil(lambda: dock.session.task is None, timeout=30_000)


def test_an_untrained_model_is_replaced_without_a_question(dock):
    choose_encoder(dock)
    assert dock.session.segmenter.spec == ModelSpec("unet", encoder="resnet34")
    assert "resnet34" in dock.summary.text()
    assert "Not trained yet" in dock.summary.text()
    assert not dock.files.save_button.isEnabled()


def test_a_trained_model_is_shown(holding):
    assert "Trained for 1 step," in holding.summary.text()
    assert "class 2" in holding.summary.text()
    assert holding.files.save_button.isEnabled()


def test_a_trained_model_is_kept_on_request(holding):
    before = holding.session.segmenter
    choose_encoder(holding)
    assert holding.session.segmenter is before
    assert "not saved" in holding.files.question.text
    holding.files.question.answer("Keep")
    assert holding.session.segmenter is before
    assert holding.form.value == before.spec


def test_a_trained_model_is_discarded_on_request(holding):
    choose_encoder(holding)
    holding.files.question.answer("Discard")
    assert holding.session.segmenter.spec.encoder == "resnet34"
    assert not holding.session.segmenter.is_trained


def test_a_trained_model_is_saved_first_on_request(holding, qtbot, tmp_path, monkeypatch):
    before = holding.session.segmenter
    path = str(tmp_path / "mine")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    choose_encoder(holding)
    holding.files.question.answer("Save …")
    qtbot.waitUntil(lambda: holding.session.segmenter is not before, timeout=30_000)
    assert holding.session.segmenter.spec.encoder == "resnet34"
    assert Segmenter.load(f"{path}.segkit").history == before.history


def test_a_file_whose_ending_was_not_typed_is_asked_about(holding, qtbot, tmp_path, monkeypatch):
    (tmp_path / "mine.segkit").write_text("work of another day")
    answers, proposed = ["mine", "", "mine", "other.h5"], []

    def ask(_parent, _title, name, _kinds):
        proposed.append(Path(name).name)
        answer = answers.pop(0)
        return (str(tmp_path / answer) if answer else "", "")

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    holding.files.save_button.click()
    holding.files.save_button.click()
    idle(qtbot, holding)
    assert proposed == ["model.segkit", "mine.segkit"] * 2
    assert (tmp_path / "mine.segkit").read_text() == "work of another day"
    assert (tmp_path / "other.h5.segkit").is_file()


def test_a_saved_model_is_replaced_without_a_question(holding, qtbot, tmp_path):
    holding.files.save(str(tmp_path / "mine.segkit"))
    idle(qtbot, holding)
    choose_encoder(holding)
    assert holding.session.segmenter.spec.encoder == "resnet34"


def test_a_loaded_model_is_used_and_copied_as_python(dock, fitted, qtbot, tmp_path, monkeypatch):
    path = str(tmp_path / "mine.segkit")
    fitted.save(path)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (path, ""))
    dock.files.load_button.click()
    idle(qtbot, dock)
    loaded = dock.session.segmenter
    assert loaded.is_trained
    assert dock.files.status.text() == f"Loaded from {path}"
    dock.files.copy_button.click()
    exec(QGuiApplication.clipboard().text(), {"viewer": dock.viewer})
    assert dock.session.segmenter is not loaded
    assert dock.session.segmenter.history == loaded.history


def test_a_broken_file_is_reported_and_the_model_kept(holding, qtbot, tmp_path):
    before = holding.session.segmenter
    path = tmp_path / "broken.segkit"
    path.write_bytes(b"nothing of the kind")
    holding.files.load(str(path))
    idle(qtbot, holding)
    assert "broken.segkit" in holding.files.status.text()
    assert holding.session.segmenter is before


def test_the_copied_python_makes_the_same_model(dock):
    choose_encoder(dock)
    dock.files.copy_button.click()
    before = dock.session.segmenter
    exec(QGuiApplication.clipboard().text(), {"viewer": dock.viewer})
    assert dock.session.segmenter is not before
    assert dock.session.segmenter.spec == before.spec


def test_a_model_set_from_the_console_is_shown(dock):
    dock.session.segmenter = Segmenter(ModelSpec(encoder="resnet50"), device="cpu")
    assert dock.form.value.encoder == "resnet50"
    assert dock.device.value == "cpu"


def test_the_device_is_chosen_and_described(dock, qtbot):
    qtbot.waitUntil(lambda: not dock._devices.is_busy, timeout=60_000)
    dock.device.value = "cpu"
    assert dock.session.segmenter.device == "cpu"
    qtbot.waitUntil(lambda: dock.device_line.text().startswith("CPU, "), timeout=60_000)
    assert dock.device_line.text().endswith("GiB free")


def test_a_missing_device_is_reported(dock, qtbot):
    dock.session.segmenter = Segmenter(device="cuda:7")
    qtbot.waitUntil(
        lambda: "'cuda:7', which is not available" in dock.device_line.text(), timeout=60_000
    )


def test_an_unanswered_question_has_no_later_effect(holding, qtbot, tmp_path):
    before = holding.session.segmenter
    choose_encoder(holding)
    choose_encoder(holding, before.spec.encoder)
    holding.files.save(str(tmp_path / "mine.segkit"))
    idle(qtbot, holding)
    assert holding.session.segmenter is before
    assert "Trained for" in holding.summary.text()


def test_an_ordinary_save_does_not_answer_the_question(holding, qtbot, tmp_path):
    before = holding.session.segmenter
    choose_encoder(holding)
    holding.files.save(str(tmp_path / "mine.segkit"))
    idle(qtbot, holding)
    assert holding.session.segmenter is before


def test_a_failed_save_keeps_the_model(holding, qtbot, tmp_path, monkeypatch):
    before = holding.session.segmenter
    path = str(tmp_path / "nowhere" / "mine.segkit")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (path, ""))
    choose_encoder(holding)
    holding.files.question.answer("Save …")
    idle(qtbot, holding)
    assert holding.session.segmenter is before
    assert holding.form.value == before.spec


def test_a_training_can_be_undone(holding):
    held = holding.session.segmenter
    first = held.trained
    assert holding.undo_button.isHidden()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    held.fit(pixels, (pixels > 99) + 1, replace(QUICK, epochs=2))
    holding.session.segmenter_changed.emit()
    assert "Trained for 2 steps" in holding.summary.text()
    holding.undo_button.click()
    assert held.trained is first
    assert "Trained for 1 step," in holding.summary.text()


def test_models_that_were_trained_here_can_be_taken_back(dock, trained, qtbot):
    def training(segmenter, name, score):
        best = {"step": 1, "epoch": 1, "score": score, "is_best": True}
        yield Step(1, 1)
        segmenter.trained = replace(trained, provenance={"id": name, "validations": [best]})

    session, choice = dock.session, dock.trained
    assert choice.native.isHidden()
    for name, score in (("first", 0.25), ("second", 0.5)):
        session.run(training(session.segmenter, name, score))
        idle(qtbot, dock)
    texts = [choice.native.itemText(i) for i in range(choice.native.count())]
    assert [text.partition(", ")[2] for text in texts] == [
        "Dice 0.500, U-Net",
        "Dice 0.250, U-Net",
    ]
    assert not choice.native.isHidden()
    assert choice.value == 0
    choice.value = 1
    assert session.segmenter.trained.identity == "first"
    dock.undo_button.click()
    assert session.segmenter.trained.identity == "second"
    assert choice.value == 0
    session.segmenter = Segmenter("deeplabv3plus", device="cpu")  # another method was chosen
    assert choice.native.currentText() == ""
    choice.value = 1
    assert session.segmenter.trained.identity == "first"
    assert session.segmenter.spec == trained.spec


def test_only_the_last_few_models_are_held():
    models = TrainedModels()
    each = [SimpleNamespace(network=Identity(), identity=str(i)) for i in range(KEEP_AT_MOST + 2)]
    for model in each:
        models.add(model)
    assert [x.model for x in models.all] == each[:1:-1]
    assert models.number_of(each[0]) is None


def test_a_task_that_starts_closes_the_question_and_keeps_the_model(holding, qtbot):
    held, before = holding.session.segmenter, holding.session.segmenter.spec
    choose_encoder(holding)
    holding.session.run(call_once(int))
    assert holding.files.question.isHidden()
    assert holding.form.value == before
    idle(qtbot, holding)
    assert holding.session.segmenter is held


def test_another_device_closes_the_question(holding):
    before = holding.session.segmenter.spec
    choose_encoder(holding)
    holding.device.value = "auto"
    assert holding.files.question.isHidden()
    assert holding.form.value == before


def test_the_file_is_named_while_it_holds_the_current_model(holding, qtbot, tmp_path):
    holding.files.save(str(tmp_path / "mine.segkit"))
    idle(qtbot, holding)
    assert holding.files.status.text().startswith("Saved to")
    holding.session.segmenter_changed.emit()
    assert holding.files.status.text().startswith("Saved to")
    choose_encoder(holding)
    assert holding.files.status.text() == ""


def test_no_steps_are_shown_for_a_method_without_steps(dock):
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    held = Segmenter(ModelSpec("pixels"), device="cpu")
    dock.session.segmenter = held.fit(pixels, (pixels > 99) + 1, QUICK)
    assert "<br>Trained.<br>" in dock.summary.text()


def test_the_note_on_a_running_task_is_not_greyed_out(dock, qtbot):
    dock.session.run(call_once(int))
    assert dock.busy.isEnabled()
    assert dock.busy.text()
    assert not dock.form.enabled
    idle(qtbot, dock)
    assert dock.form.enabled
