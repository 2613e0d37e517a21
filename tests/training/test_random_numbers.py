"""A training draws its own random numbers, and reading its model does not change it."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import is_in_any_mode_without_ignore_compile_internals

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.models import Inputs, build, list_models, model_info, resolve
from napari_segkit.models.memory_estimate import estimate_memory
from napari_segkit.torch_random import RandomSource, random_numbers
from napari_segkit.training import trainer_of
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.prepare_data import prepare_data
from napari_segkit.training.training_setup import TrainingSetup

QUICK = TrainConfig(epochs=1, steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0))
SPECS = {
    "batch norm": ModelSpec("unet", encoder="mobilenet_v2"),
    "dropout": ModelSpec("fpn", encoder="mobilenet_v2"),
    "pixel classifier": ModelSpec("pixels"),
    "Mask R-CNN": ModelSpec("maskrcnn"),
    "SOLO": ModelSpec("solo"),
}
SLOW = ("unet", "maskrcnn", "solo")  # the network with dropout has batch norm, too
KINDS_OF_TRAINING = [
    pytest.param(spec, id=name, marks=[pytest.mark.slow] * (spec.name in SLOW))
    for name, spec in SPECS.items()
]


def scene():
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    labels = np.zeros((64, 64), np.uint8)
    labels[6:26, 6:26], labels[33:60, 13:53] = 1, 2
    return image + 3.0 * (labels > 0), labels


def begin(spec, config=QUICK):
    image, values = scene()
    class_of = np.array([0, 1, 1]) if model_info(spec.name).kind == "instance" else None
    names = ("background", "a", "b")[: 2 if class_of is not None else 3]
    classes = [LabelClass(value, name, "#888888") for value, name in enumerate(names)]
    spec = resolve(spec)
    labelled = LabelledImages([(AxesImage(image, "YX"), values)], classes, class_of)
    data = prepare_data(spec, config, labelled)
    return trainer_of(spec)(TrainingSetup(spec, data, config, torch.device("cpu")))


def losses(training, after_each=lambda: None):
    values = []
    for step in training.steps():
        after_each()
        if hasattr(step, "loss"):
            values.append(step.loss)
    return values


@contextmanager
def another_thread_draws():
    """A thread that draws from torch's global generator all the while."""
    stop, drawn = threading.Event(), threading.Event()

    def draw():
        while not stop.wait(0.001):
            torch.rand(7)
            nn.Linear(3, 3)
            drawn.set()

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    drawn.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("spec", KINDS_OF_TRAINING)
def test_the_model_during_training_is_a_copy_and_does_not_change_the_training(spec):
    undisturbed = losses(begin(spec))
    training = begin(spec)
    models = []

    def read_model():
        was_training = training.network.training
        if training.state.history:
            models.append(training.snapshot())
        assert training.network.training == was_training

    assert losses(training, read_model) == undisturbed
    first, last = models[0].network, models[-1].network
    assert not first.training
    own = dict(training.network.named_parameters()) | dict(training.network.named_buffers())
    assert all(
        tensor.data_ptr() != own[name].data_ptr() for name, tensor in first.state_dict().items()
    )
    changed = [
        not torch.equal(one, other)
        for one, other in zip(first.state_dict().values(), last.state_dict().values(), strict=True)
    ]
    assert any(changed)


@pytest.mark.parametrize("spec", KINDS_OF_TRAINING)
def test_the_same_seed_gives_the_same_model_while_another_thread_draws(spec):
    alone = begin(spec)
    expected = losses(alone)
    with another_thread_draws():
        disturbed = begin(spec)
        assert losses(disturbed) == expected
    one, other = alone.result().network.state_dict(), disturbed.result().network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_another_model():
    config = TrainConfig(**{**vars(QUICK), "seed": 1})
    assert losses(begin(SPECS["dropout"], config)) != losses(begin(SPECS["dropout"]))


@pytest.mark.parametrize("spec", KINDS_OF_TRAINING)
def test_the_callers_random_state_is_not_changed(spec, tmp_path):
    image, labels = scene()
    before = torch.random.get_rng_state()
    segmenter = Segmenter(spec, device="cpu")
    segmenter.fit(image, labels, QUICK)
    segmenter.save(tmp_path / "model.segkit")
    Segmenter.load(tmp_path / "model.segkit", device="cpu").predict(image)
    assert torch.equal(torch.random.get_rng_state(), before)


NETWORKS = [info.name for info in list_models() if not info.features]
FAST = ("unet", "dpt", "deeplabv3_torchvision", "segresnet", "maskrcnn")  # one of each library


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in NETWORKS]
)
def test_estimating_the_memory_of_a_model_draws_nothing(name):
    ndim = next(info for info in list_models() if info.name == name).dims[0]
    before = torch.random.get_rng_state()
    estimate_memory(resolve(ModelSpec(name)), Inputs(1, 2, (1.0,) * ndim), (128,) * ndim, 2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_building_draws_from_the_given_source_as_a_seeded_torch_does():
    spec, inputs = resolve(SPECS["dropout"]), Inputs(1, 2, (1.0, 1.0))
    ours = build(spec, inputs, RandomSource(3)).state_dict()
    with torch.random.fork_rng():
        import segmentation_models_pytorch as smp

        torch.manual_seed(3)
        theirs = smp.create_model(
            "fpn", encoder_name="mobilenet_v2", encoder_weights=None, in_channels=1, classes=2
        ).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def draws():
    """Random operations of every form that networks use."""
    values = torch.ones(50)
    yield torch.rand(5)
    yield torch.randn(2, 3)
    yield torch.randint(0, 100, (5,))
    yield torch.randperm(20)
    yield torch.rand_like(values)
    yield torch.randn_like(values)
    yield torch.empty(5).uniform_(-1, 1)
    yield torch.empty(5).normal_()
    yield torch.bernoulli(values / 2)
    yield torch.multinomial(values, 3)
    yield torch.normal(values, 1.0)
    yield functional.dropout(values, 0.5)
    yield functional.dropout2d(values.reshape(1, 50, 1, 1), 0.5)
    yield functional.alpha_dropout(values, 0.5, training=True)
    yield torch.native_dropout(values, 0.5, train=True)[0]
    with torch.inference_mode():  # what is composed of others is not taken apart here
        yield functional.dropout(values, 0.5)
        yield functional.alpha_dropout(values, 0.5, training=True)
    yield torch.rand(5, out=torch.empty(5))
    yield torch.native_dropout(values, 0.5, train=None)[0]
    yield functional.scaled_dot_product_attention(*[torch.eye(50)[None]] * 3, dropout_p=0.5)


def test_every_random_operation_draws_from_the_source():
    before = torch.random.get_rng_state()
    one, other = RandomSource(0), RandomSource(0)
    with random_numbers(one):
        first = list(draws())
    assert torch.equal(torch.random.get_rng_state(), before)
    with random_numbers(other):
        assert all(torch.equal(a, b) for a, b in zip(first, draws(), strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(first, draws(), strict=True))


def test_sources_of_overlapping_threads_do_not_meet():
    """The modes of two threads may end in any order."""
    first, second = random_numbers(RandomSource(0)), random_numbers(RandomSource(1))
    entered, leave = threading.Event(), threading.Event()
    values = []

    def other_thread():
        with second:
            values.append(torch.rand(5))
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=other_thread, daemon=True)
    first.__enter__()
    thread.start()
    entered.wait(30)
    own = torch.rand(5)
    first.__exit__(None, None, None)
    leave.set()
    thread.join(30)
    for seed, drawn in ((0, own), (1, values[0])):
        assert torch.equal(drawn, torch.rand(5, generator=torch.Generator().manual_seed(seed)))
    assert not is_in_any_mode_without_ignore_compile_internals()
