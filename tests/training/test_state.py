"""A training can be broken off, saved and resumed bit for bit, and takes commands."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.training.commands import Checkpoint, Finish, Snapshot
from napari_segkit.training.events import RefusedStep, SnapshotStep, TrainStep, ValidationStep

CONFIG = TrainConfig(
    epochs=2, steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0), unlabelled=None
)
OBJECTS = replace(CONFIG, labels_are="objects")
SMALL = ModelSpec("segresnet", dims="2D")
UNET = ModelSpec("unet", encoder="mobilenet_v2")
KINDS = [
    pytest.param(UNET, CONFIG, id="batch norm"),
    pytest.param(ModelSpec("fpn", encoder="mobilenet_v2"), CONFIG, id="dropout"),
    pytest.param(ModelSpec("segresnet", dims="3D"), CONFIG, id="3D"),
    pytest.param(replace(UNET, objects="boundary"), OBJECTS, id="boundary"),
    pytest.param(ModelSpec("solo"), OBJECTS, id="SOLO"),
    pytest.param(ModelSpec("maskrcnn"), OBJECTS, id="Mask R-CNN", marks=pytest.mark.slow),
]


def train(spec, config, data, path=None, **options):
    """Train; with a path, save the state after three steps and break off two steps later."""
    segmenter = Segmenter(spec, device="cpu")
    steps = segmenter.train_epochs(*data, config, **options)
    for step in steps:
        if path and isinstance(step, TrainStep) and step.done == 3:
            steps.send(Checkpoint(path))
            next(steps)
            steps.close()
    return segmenter


def data_for(spec, scene):
    image, labels = scene
    return (np.stack([image] * 9), np.stack([labels] * 9)) if spec.dims == "3D" else scene


def same_weights(one, other):
    one, other = one.trained.network.state_dict(), other.trained.network.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("spec", "config"), KINDS)
def test_a_resumed_training_is_the_unbroken_one(spec, config, scene, tmp_path):
    data, path = data_for(spec, scene), tmp_path / "half.state"
    whole = train(spec, config, data)
    assert len(train(spec, config, data, path).history) == 5
    resumed = train(spec, config, data, resume=path)
    assert resumed.history == whole.history
    assert same_weights(resumed, whole)
    images = [s.trained.provenance["images_seen"] for s in (resumed, whole)]
    assert images == [12, 12]
    assert [p.name for p in tmp_path.iterdir()] == ["half.state"]


def test_a_resumed_training_keeps_the_best_weights(scene, tmp_path):
    whole = train(SMALL, CONFIG, scene, validation=scene)
    train(SMALL, CONFIG, scene, tmp_path / "a.state", validation=scene)
    resumed = Segmenter(SMALL, device="cpu")
    steps = list(
        resumed.train_epochs(*scene, CONFIG, validation=scene, resume=tmp_path / "a.state")
    )
    assert [s.epoch for s in steps if isinstance(s, ValidationStep)] == [1, 2]
    provenance = [s.trained.provenance["validation"] for s in (resumed, whole)]
    assert provenance[0] == provenance[1]
    assert same_weights(resumed, whole)


def test_the_pixel_classifier_starts_anew(scene, tmp_path):
    whole = Segmenter(ModelSpec("pixels"), device="cpu").fit(*scene, CONFIG)
    steps = Segmenter(ModelSpec("pixels"), device="cpu").train_epochs(*scene, CONFIG)
    next(steps)
    steps.send(Checkpoint(tmp_path / "a.state"))
    resumed = Segmenter(ModelSpec("pixels"), device="cpu")
    resumed.fit(*scene, CONFIG, resume=tmp_path / "a.state")
    assert same_weights(resumed, whole)
    assert resumed.history == whole.history


@pytest.fixture(scope="module")
def saved(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "a.state"
    train(SMALL, CONFIG, scene, path)
    return path


OTHERS = {
    "model": (UNET, CONFIG, "with model segresnet, but this one has unet"),
    "setting": (SMALL, replace(CONFIG, learning_rate=0.01), "learning_rate 0.001, .* has 0.01"),
    "classes": (
        SMALL,
        replace(CONFIG, unlabelled=0),
        "classes 0 class 0, 1 class 1, 2 class 2, but this one has 1 class 1, 2 class 2:",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_state_of_another_training_is_refused(case, saved, scene):
    spec, config, message = OTHERS[case]
    segmenter = Segmenter(spec, device="cpu")
    with pytest.raises(ValueError, match=message) as error:
        segmenter.fit(*scene, config, resume=saved)
    assert "\n" not in str(error.value)
    assert not segmenter.is_trained


def test_a_training_with_validation_is_not_resumed_without(scene, tmp_path):
    train(SMALL, CONFIG, scene, tmp_path / "a.state", validation=scene)
    with pytest.raises(ValueError, match="validation images 1, but this one has 0"):
        train(SMALL, CONFIG, scene, resume=tmp_path / "a.state")


def damaged(saved, path):
    path.write_bytes(saved.read_bytes()[:-100])


def foreign(saved, path):
    save_file({"a": torch.zeros(3)}, path)


def text(saved, path):
    path.write_text("no tensors")


@pytest.mark.parametrize("write", [damaged, foreign, text])
def test_a_file_that_is_no_state_is_refused(write, saved, scene, tmp_path):
    write(saved, tmp_path / "b.state")
    with pytest.raises(ValueError, match=r"b\.state is not a complete training state"):
        Segmenter(SMALL, device="cpu").fit(*scene, CONFIG, resume=tmp_path / "b.state")


def test_a_changed_file_is_refused(saved, scene, tmp_path):
    with safe_open(saved, framework="pt") as file:
        header = json.loads(file.metadata()["segkit-training"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del header["history"]
    save_file(tensors, tmp_path / "b.state", {"segkit-training": json.dumps(header)})
    with pytest.raises(ValueError, match=r"b\.state is a damaged training state \('history'\)"):
        Segmenter(SMALL, device="cpu").fit(*scene, CONFIG, resume=tmp_path / "b.state")


def test_a_complete_training_resumed_is_complete(scene, tmp_path):
    segmenter, resumed = Segmenter(SMALL, device="cpu"), Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG)
    for _ in range(6):
        next(steps)
    with pytest.raises(StopIteration):
        steps.send(Checkpoint(tmp_path / "a.state"))
    resumed.fit(*scene, CONFIG, resume=tmp_path / "a.state")
    assert resumed.history == segmenter.history
    assert same_weights(resumed, segmenter)


def test_a_model_file_is_no_state_and_a_state_no_model_file(saved, scene, tmp_path):
    segmenter = train(SMALL, CONFIG, scene)
    segmenter.save(tmp_path / "a.segkit")
    with pytest.raises(ValueError, match="not a complete training state"):
        segmenter.fit(*scene, CONFIG, resume=tmp_path / "a.segkit")
    with pytest.raises(ValueError, match="no napari-segkit header"):
        Segmenter.load(saved)
    with pytest.raises(FileNotFoundError, match="no training state"):
        segmenter.fit(*scene, CONFIG, resume=tmp_path / "none.state")


def test_a_snapshot_is_answered_and_changes_nothing(scene):
    expected = train(SMALL, CONFIG, scene).history
    segmenter = Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG)
    next(steps)
    answer = steps.send(Snapshot())
    assert isinstance(answer, SnapshotStep)
    assert (answer.done, answer.total) == (1, 6)
    assert answer.model.history == expected[:1]
    assert not answer.model.network.training
    again = steps.send(Snapshot())
    assert isinstance(again, SnapshotStep)
    assert [s.loss for s in steps] == list(expected[1:])
    assert segmenter.history == expected


def test_a_command_that_cannot_be_carried_out_is_refused_and_the_training_goes_on(scene, tmp_path):
    segmenter = Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG)
    next(steps)
    unknown = steps.send("faster")
    assert isinstance(unknown, RefusedStep)
    assert isinstance(unknown.error, TypeError)
    no_folder = steps.send(Checkpoint(tmp_path / "none" / "a.state"))
    assert isinstance(no_folder, RefusedStep)
    assert "There is no folder" in str(no_folder.error)
    assert len(list(steps)) == 5
    assert len(segmenter.history) == 6


@pytest.mark.parametrize("spec", [SMALL, ModelSpec("pixels")], ids=lambda spec: spec.name)
def test_finish_ends_a_training_as_one_that_is_complete(spec, scene):
    segmenter = Segmenter(spec, device="cpu")
    steps = segmenter.train_epochs(*scene, replace(CONFIG, epochs=1000), validation=scene)
    assert not isinstance(next(steps), ValidationStep)
    events = [steps.send(Finish()), *steps]
    assert isinstance(events[-1], ValidationStep)
    assert len(events) < 20
    assert segmenter.trained.provenance["validation"]["epoch"] == 1


def test_a_snapshot_before_the_first_step_is_refused(scene):
    steps = Segmenter(ModelSpec("pixels"), device="cpu").train_epochs(*scene, CONFIG)
    next(steps)
    assert isinstance(steps.send(Snapshot()), RefusedStep)
