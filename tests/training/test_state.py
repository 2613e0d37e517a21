"""A training can be broken off, saved and resumed bit for bit, and takes commands."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from napari_segkit import AugmentConfig, ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.new_training import refusing_commands
from napari_segkit.steps import Step, drain
from napari_segkit.tensor_file import write_tensors
from napari_segkit.training.commands import Checkpoint, Finish, Snapshot
from napari_segkit.training.events import RefusedStep, SnapshotStep, TrainStep, ValidationStep
from napari_segkit.training.semantic import SemanticTrainer

VALIDATED = TrainConfig(
    epochs=2, steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0), unlabelled=None
)
CONFIG = replace(VALIDATED, validation=None)
OBJECTS = replace(VALIDATED, labels_are="objects")
SMALL = ModelSpec("segresnet", dims="2D")
UNET = ModelSpec("unet", options={"encoder_depth": 3, "decoder_channels": (16, 8, 8)})
KINDS = [
    pytest.param(UNET, VALIDATED, id="batch norm"),
    pytest.param(
        ModelSpec("fpn", encoder="mobilenet_v2"), VALIDATED, id="dropout", marks=pytest.mark.slow
    ),
    pytest.param(ModelSpec("segresnet", dims="3D"), VALIDATED, id="3D", marks=pytest.mark.slow),
    pytest.param(replace(UNET, objects="boundary"), OBJECTS, id="boundary", marks=pytest.mark.slow),
    pytest.param(ModelSpec("solo"), OBJECTS, id="SOLO", marks=pytest.mark.slow),
    pytest.param(ModelSpec("maskrcnn"), OBJECTS, id="Mask R-CNN", marks=pytest.mark.slow),
]


def train(spec, config, data, path=None, **options):
    """Train; with a path, save the state after three steps."""
    segmenter = Segmenter(spec, device="cpu")
    steps = segmenter.train_epochs(*data, config, **options)
    for step in steps:
        if path and isinstance(step, TrainStep) and step.done == 3:
            assert steps.send(Checkpoint(path)).path == path
    return segmenter


def data_for(spec, scene):
    image, labels = scene
    return (np.stack([image] * 9), np.stack([labels] * 9)) if spec.dims == "3D" else scene


def same_weights(one, other):
    one, other = one.trained.network.state_dict(), other.trained.network.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("states") / "a.state"


@pytest.fixture(scope="module")
def whole(path, scene):
    return train(SMALL, CONFIG, scene, path)


@pytest.fixture(scope="module")
def saved(whole, path):
    return path


@pytest.mark.parametrize(("spec", "config"), KINDS)
def test_a_resumed_training_is_the_unbroken_one(spec, config, scene, tmp_path):
    data, path = data_for(spec, scene), tmp_path / "half.state"
    whole = train(spec, config, data)
    assert train(spec, config, data, path).history == whole.history
    resumed = train(spec, config, data, resume=path)
    assert resumed.history == whole.history
    assert same_weights(resumed, whole)
    images = [s.trained.provenance["images_seen"] for s in (resumed, whole)]
    assert images == [12, 12]
    assert [p.name for p in tmp_path.iterdir()] == ["half.state"]


def test_a_resumed_training_keeps_the_best_weights(scene, tmp_path):
    whole = train(SMALL, CONFIG, scene, tmp_path / "a.state", validation=scene)
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


EARLIER = (
    *("weights", "encoder", "dims", "objects", "features", "epochs", "steps_per_epoch", "minutes"),
    *("batch_size", "learning_rate", "unlabelled", "labels_are", "normalise", "voxel_size"),
    *("seed", "tile"),
)
PASSES = replace(CONFIG, steps_per_epoch=None, resize=32, tile=TileConfig(), epochs=3)
OPTIONS = {
    "sgd": replace(CONFIG, optimiser="sgd"),
    "adam, passes": replace(PASSES, optimiser="adam", schedule="one_cycle"),
}


@pytest.mark.parametrize("config", OPTIONS.values(), ids=OPTIONS)
def test_a_training_is_resumed_with_every_optimiser_and_in_passes(config, scene, tmp_path):
    image, labels = scene
    data = [np.roll(image, n, 0) for n in range(5)], [np.roll(labels, n, 0) for n in range(5)]
    whole = train(SMALL, config, data, tmp_path / "a.state")
    resumed = train(SMALL, config, data, resume=tmp_path / "a.state")
    assert resumed.history == whole.history
    assert same_weights(resumed, whole)


def test_learning_rates_that_were_given_are_those_of_the_resumed_training(scene, tmp_path):
    rates = [0.01, 0.002, 0.003, 0.004, 0.001]
    whole = train(SMALL, CONFIG, scene, tmp_path / "a.state", learning_rates=rates)
    for given in ({}, {"learning_rates": rates}):
        resumed = train(SMALL, CONFIG, scene, resume=tmp_path / "a.state", **given)
        assert resumed.history == whole.history
    with pytest.raises(ValueError, match="with other learning_rates"):
        train(SMALL, CONFIG, scene, resume=tmp_path / "a.state", learning_rates=rates[:4])


def test_a_training_that_began_with_a_model_is_resumed_as_one(scene, tmp_path):
    image, labels = scene
    config = replace(CONFIG, normalise="training")
    first = Segmenter(SMALL, device="cpu").fit(image, labels, config).trained
    path = tmp_path / "a.state"

    whole = Segmenter.of_trained(first, device="cpu")
    steps = whole.train_epochs(image * 0.5, labels, config, start="current")
    while next(steps).done < 3:
        pass
    steps.send(Checkpoint(path))
    drain(steps)
    resumed = train(SMALL, config, (image * 0.5, labels), resume=path)
    assert resumed.history == whole.history
    assert resumed.trained.statistics == whole.trained.statistics == first.statistics
    assert resumed.trained.provenance["start"] == first.identity


def test_a_training_whose_patience_is_over_is_not_resumed_for_more_steps(scene, tmp_path):
    config = replace(CONFIG, epochs=9, learning_rate=1e-7, patience=1)
    steps = Segmenter(SMALL, device="cpu").train_epochs(*scene, config, validation=scene)
    while not isinstance(step := next(steps), ValidationStep) or step.is_best:
        pass
    steps.send(Checkpoint(tmp_path / "a.state"))
    resumed = train(SMALL, config, scene, validation=scene, resume=tmp_path / "a.state")
    assert len(resumed.history) == step.done < 27


OTHERS = {
    "model": (UNET, CONFIG, "with model segresnet, but this one has unet"),
    "setting": (SMALL, replace(CONFIG, learning_rate=0.01), "learning_rate 0.001, .* has 0.01"),
    "nested": (SMALL, replace(CONFIG, tile=TileConfig(32, 8)), r"tile.overlap 0, .* has 8:"),
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


def corrected(image, labels):
    labels = labels.copy()
    labels[5, 7] = 2 - labels[5, 7]
    return image, labels


DATA = {
    "labels": (corrected, "the pixels of the labels of image have changed"),
    "image": (lambda image, labels: (image[::-1], labels), "the pixels of the image have changed"),
    "more": (lambda image, labels: ([image] * 2, [labels] * 2), "1 image, but 2 are given"),
}


@pytest.mark.parametrize("case", DATA)
def test_a_training_is_not_resumed_on_other_images_or_labels(case, saved, scene):
    change, message = DATA[case]
    with pytest.raises(ValueError, match=message):
        Segmenter(SMALL, device="cpu").fit(*change(*scene), CONFIG, resume=saved)


def test_a_state_names_the_model_and_the_settings_of_its_training(whole, saved, scene):
    segmenter = Segmenter.of_state(saved, device="cpu")
    assert segmenter.spec == Segmenter(SMALL).spec
    segmenter.fit(*scene, resume=saved)
    assert segmenter.trained.config == CONFIG
    assert segmenter.history == whole.history


def damaged(saved, path):
    path.write_bytes(saved.read_bytes()[:-100])


def foreign(saved, path):
    save_file({"a": torch.zeros(3)}, path)


def text(saved, path):
    path.write_text("no tensors")


def flipped(saved, path):
    data = saved.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


@pytest.mark.parametrize("write", [damaged, foreign, text, flipped])
def test_a_file_that_is_no_state_is_refused(write, saved, scene, tmp_path):
    write(saved, tmp_path / "b.state")
    with pytest.raises(ValueError, match=r"b\.state is not a complete training state"):
        Segmenter(SMALL, device="cpu").fit(*scene, CONFIG, resume=tmp_path / "b.state")


def without(part):
    """Drop all tensors whose names hold a text."""

    def change(header, tensors):
        for name in [name for name in tensors if part in name]:
            del tensors[name]

    return change


def with_first(part, values):
    """Replace the first tensor whose name holds a text."""

    def change(header, tensors):
        tensors[next(name for name in sorted(tensors) if part in name)] = torch.as_tensor(values)

    return change


CHANGES = {
    "no history": without("history."),
    "short history": with_first("history.", [1.0]),
    "infinite loss": with_first("history.", [float("inf")] * 4),
    "time": lambda header, _: header.update(seconds=-1e9),
    "time NaN": lambda header, _: header.update(seconds=float("nan")),
    "validated": lambda header, _: header.update(validated=-1),
    "parts": lambda header, _: header.update(parts=0),
    "batches": lambda header, _: header.update(recent=[{"bit_generator": "other"}] * 4),
    "no batches": lambda header, _: header.update(recent=[]),
    "version": lambda header, _: header.update(format=float("inf")),
    "score NaN": lambda header, _: header["best"].update(score=float("nan")),
    "best weights": without("best."),
    "best shape": with_first("best.", [1.0]),
    "weights NaN": with_first("network.", float("nan")),
    "weights complex": with_first("network.", 1j),
    "optimiser": without("optimiser."),
    "optimiser part": without("optimiser.0.exp_avg"),
    "optimiser step": with_first("optimiser.0.step", [1.0, 2.0]),
    "optimiser average": with_first("optimiser.0.exp_avg", 0.0),
    "random": with_first("random.", [0]),
}


@pytest.fixture(scope="module")
def validated(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "v.state"
    steps = Segmenter(SMALL, device="cpu").train_epochs(*scene, CONFIG, validation=scene)
    while next(steps).done < 4:
        pass
    steps.send(Checkpoint(path))
    steps.close()
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["segkit-training"])
        return header, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_is_refused_before_the_training_begins(change, validated, scene, tmp_path):
    header, tensors = deepcopy(validated)
    change(header, tensors)
    write_tensors(tmp_path / "b.state", tensors, "segkit-training", header)
    segmenter = Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG, validation=scene, resume=tmp_path / "b.state")
    with pytest.raises(ValueError, match=r"b\.state is (not a complete|a damaged) training state"):
        next(steps)


def test_a_changed_validation_image_is_refused(validated, scene, tmp_path):
    header, tensors = validated
    write_tensors(tmp_path / "b.state", tensors, "segkit-training", header)
    image, labels = scene
    other = np.flipud(image).copy(), labels
    steps = Segmenter(SMALL, device="cpu").train_epochs(
        *scene, CONFIG, validation=other, resume=tmp_path / "b.state"
    )
    with pytest.raises(ValueError, match=r"of another training: the pixels of .* have changed"):
        next(steps)


def test_a_training_whose_memory_ran_out_goes_on_in_as_many_parts(scene, tmp_path, monkeypatch):
    config, whole = replace(CONFIG, batch_size=4), SemanticTrainer._loss

    def out_of_memory(self, network, images, *targets):
        if len(images) > 2:
            raise MemoryError
        return whole(self, network, images, *targets)

    with monkeypatch.context() as patch:
        patch.setattr(SemanticTrainer, "_loss", out_of_memory)
        with pytest.warns(UserWarning, match="computed in 2 parts"):
            expected = train(SMALL, config, scene, tmp_path / "a.state")
    resumed = train(SMALL, config, scene, resume=tmp_path / "a.state")
    assert resumed.history == expected.history
    assert same_weights(resumed, expected)
    assert resumed.trained.provenance["micro_batch"] == 2


def test_a_state_of_an_earlier_version_is_taken_up(saved, scene, tmp_path):
    with safe_open(saved, framework="pt") as file:
        header = json.loads(file.metadata()["segkit-training"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    header |= {"format": 1, "history": tensors.pop("history.losses").tolist()}
    known = {"model", "classes", "channels", "spacing", "validation images", *EARLIER}
    settings = {name: value for name, value in header["settings"].items() if name in known}
    tile = settings["tile"] | {"batch_size": 4}
    header["settings"] = settings | {"augment": True, "tile": tile}
    write_tensors(tmp_path / "a.state", tensors, "segkit-training", header)
    turned = AugmentConfig(upright="no")
    batches = replace(CONFIG.tile, batch_size=4)
    then = replace(CONFIG, validation=None, precision="float32", augment=turned, tile=batches)
    expected = train(SMALL, then, scene).history
    for config in (None, CONFIG):
        resumed = train(SMALL, config, scene, resume=tmp_path / "a.state")
        assert resumed.history == expected
        assert resumed.trained.config == then
    with pytest.raises(ValueError, match="validation None, but this one has regions"):
        train(SMALL, replace(CONFIG, validation="regions"), scene, resume=tmp_path / "a.state")


def test_a_training_of_more_than_a_million_steps_can_be_resumed(validated, scene, tmp_path):
    header, tensors = deepcopy(validated)
    header["recent"] = (header["recent"] * 3)[:10]
    tensors["history.losses"] = torch.full((1_700_000,), 0.123456789012345, dtype=torch.float64)
    write_tensors(tmp_path / "a.state", tensors, "segkit-training", header)
    resumed = Segmenter(SMALL, device="cpu")
    resumed.fit(*scene, CONFIG, validation=scene, resume=tmp_path / "a.state")
    assert len(resumed.history) == 1_700_000


def test_a_complete_training_resumed_is_complete(scene, tmp_path):
    segmenter, resumed = Segmenter(SMALL, device="cpu"), Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG)
    for _ in range(6):
        next(steps)
    steps.send(Checkpoint(tmp_path / "a.state"))
    assert not list(steps)
    resumed.fit(*scene, CONFIG, resume=tmp_path / "a.state")
    assert resumed.history == segmenter.history
    assert same_weights(resumed, segmenter)


def test_a_model_file_is_no_state_and_a_state_no_model_file(whole, saved, scene, tmp_path):
    segmenter = Segmenter.of_trained(whole.trained, device="cpu")
    segmenter.save(tmp_path / "a.segkit")
    with pytest.raises(ValueError, match="not a complete training state"):
        segmenter.fit(*scene, CONFIG, resume=tmp_path / "a.segkit")
    with pytest.raises(ValueError, match="no napari-segkit header"):
        Segmenter.load(saved)
    with pytest.raises(FileNotFoundError, match="no training state"):
        segmenter.fit(*scene, CONFIG, resume=tmp_path / "none.state")


def test_a_snapshot_is_answered_and_changes_nothing(whole, scene):
    expected = whole.history
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
    assert isinstance(steps.send(Checkpoint(None)), RefusedStep)
    assert len(list(steps)) == 5
    assert len(segmenter.history) == 6


def test_a_command_is_refused_while_the_images_are_read():
    def reading():
        assert (yield Step(1, 2)) is None
        yield Step(2, 2)
        return "trainer"

    steps = refusing_commands(reading())
    next(steps)
    answer = steps.send(Checkpoint("a.state"))
    assert isinstance(answer, RefusedStep)
    assert str(answer.error).endswith("still being read: send Checkpoint when it has.")
    assert next(steps) == Step(2, 2)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "trainer"


@pytest.mark.parametrize("spec", [SMALL, ModelSpec("pixels")], ids=lambda spec: spec.name)
def test_finish_ends_a_training_as_one_that_is_complete(spec, scene):
    segmenter = Segmenter(spec, device="cpu")
    steps = segmenter.train_epochs(*scene, replace(CONFIG, epochs=1000), validation=scene)
    assert not isinstance(next(steps), ValidationStep)
    events = [steps.send(Finish()), *steps]
    assert isinstance(events[-1], ValidationStep)
    assert len(events) < 20
    assert segmenter.trained.provenance["validation"]["epoch"] == 1


def test_finish_after_a_validation_takes_no_further_step(scene):
    segmenter = Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG, validation=scene)
    while not isinstance(next(steps), ValidationStep):
        pass
    with pytest.raises(StopIteration):
        steps.send(Finish())
    assert len(segmenter.history) == 3


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_training_works_where_gradients_are_switched_off(mode, whole, scene):
    segmenter = Segmenter(SMALL, device="cpu")
    with mode():
        steps = segmenter.train_epochs(*scene, CONFIG, validation=scene)
        losses = [step.loss for step in steps if isinstance(step, TrainStep)]
        assert not torch.is_grad_enabled()
    assert tuple(losses) == whole.history
    assert segmenter.fit(*scene, CONFIG).history == whole.history


class Removable:
    """An image in a file that may be deleted."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
        self.ndim = pixels.ndim

    def __getitem__(self, key):
        return self.pixels[key]

    def __array__(self, *_, **__):
        return self.pixels[:]


def test_the_images_are_not_needed_after_the_last_step(scene):
    image = Removable(scene[0])
    segmenter = Segmenter(UNET, device="cpu")
    steps = segmenter.train_epochs(image, scene[1], CONFIG)
    while next(steps).done < 6:
        pass
    image.pixels = None
    assert list(steps) == []
    assert len(segmenter.history) == 6


def test_a_snapshot_before_the_first_step_is_refused(scene):
    steps = Segmenter(ModelSpec("pixels"), device="cpu").train_epochs(*scene, CONFIG)
    next(steps)
    assert isinstance(steps.send(Snapshot()), RefusedStep)
