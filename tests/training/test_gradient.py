import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.new_training import new_training
from napari_segkit.steps import drain
from napari_segkit.torch_random import RandomSource
from napari_segkit.training import gradient, micro_batches
from napari_segkit.training.gradient import GradientTrainer
from napari_segkit.training.schedule import RELATIVE_RATES, Schedule
from napari_segkit.training.state import TrainingState
from napari_segkit.training.training_setup import TrainingSetup
from napari_segkit.training_set import TrainingRow, TrainingSet


class Triple(GradientTrainer):
    """A network is trained to multiply by three; there is no data."""

    def __init__(self, config, loss):
        self.config, self.loss = config, loss
        self.setup = TrainingSetup(None, None, config, torch.device("cpu"))
        self.patch = (4, 4)
        self.network, self.recent = nn.Conv2d(1, 1, 1), []
        random = RandomSource(0), np.random.default_rng(0)
        schedule, optimiser = Schedule(config), self._make_optimiser()
        self.state = TrainingState({}, self.network, *random, schedule, optimiser)

    def _make_sampler(self, samples, random, *, augment):
        """Not needed."""

    def _batch(self):
        x = torch.randn(self.config.batch_size, 1, 4, 4)
        return x, 3 * x

    def _loss(self, network, images, targets, whole=None):
        return self.loss(network(images), targets) * len(images) / len(whole)


def trainer_of(spec, config, data):
    """A training on an image and its labels, before its first step."""
    rows = TrainingSet([TrainingRow(*data)])
    return drain(new_training(Segmenter(spec).spec, config, rows, "cpu"))


def start(config, loss=nn.functional.mse_loss):
    """A network, and the steps of its training to multiply by three."""
    trainer = Triple(config, loss)
    return trainer.network, trainer.steps()


def test_time_in_which_the_caller_pauses_does_not_count(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("napari_segkit.training.schedule.perf_counter", lambda: now[0])
    config = TrainConfig(epochs=1, steps_per_epoch=5, batch_size=2, minutes=1.0)
    _, steps = start(config)
    for step in steps:
        assert step.seconds == 0
        now[0] += 1000.0
    assert step.done == 5


def test_steps_tell_progress_and_the_loss_falls():
    torch.manual_seed(0)
    config = TrainConfig(epochs=4, steps_per_epoch=25, learning_rate=0.1, batch_size=2)
    steps = list(start(config)[1])
    assert [s.done for s in steps] == list(range(1, 101))
    assert (steps[0].epoch, steps[-1].epoch, steps[-1].total) == (1, 4, 100)
    assert steps[-1].images == 200
    assert steps[-1].loss < 0.01 < steps[0].loss


def test_closing_leaves_the_network_ready_to_predict():
    network, steps = start(TrainConfig())
    next(steps)
    assert network.training
    steps.close()
    assert not network.training


def test_the_time_limit_ends_training():
    config = TrainConfig(epochs=100_000, steps_per_epoch=100, minutes=0.01)
    last = list(start(config)[1])[-1]
    assert 0.4 < last.seconds < 3


def test_a_loss_that_is_no_number_stops_with_a_sentence():
    _, steps = start(TrainConfig(), lambda x, _: x.sum() * float("nan"))
    with pytest.raises(FloatingPointError, match="step 1: choose a lower learning rate"):
        list(islice(steps, 3))


def test_a_step_in_parts_has_the_gradient_of_the_whole_batch(scene):
    """Of a network without batch normalisation; unlabelled pixels are unevenly spread."""
    labels = scene[1].copy()
    labels[40:] = 0
    config = TrainConfig(batch_size=5, tile=TileConfig(32, 0), unlabelled=0, precision="float32")
    slopes = []
    for parts in (1, 2, 3):
        trainer = trainer_of(ModelSpec("segresnet", dims="2D"), config, (scene[0], labels))
        for norm in trainer.network.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.eval()
        trainer.parts, batch, sizes = parts, trainer._batch(), []
        loss = trainer._backward(*batch)
        slopes.append([loss, *(p.grad for p in trainer.network.parameters())])
        trainer._held_out_batches = [batch]
        trainer.network.register_forward_pre_hook(lambda _, given, s=sizes: s.append(len(given[0])))
        assert trainer._held_out_loss(trainer.network) == pytest.approx(loss.item(), rel=1e-5)
        assert max(sizes) == -(-5 // parts)
    for other in slopes[1:]:
        for one, two in zip(slopes[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def out_of_memory_above(count):
    def loss(predicted, targets):
        if len(predicted) > count:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return nn.functional.mse_loss(predicted, targets)

    return loss


def test_a_batch_that_does_not_fit_is_computed_in_parts_from_then_on():
    steps = start(TrainConfig(batch_size=9), out_of_memory_above(3))[1]
    with pytest.warns(UserWarning, match="each batch of 9 is now computed in") as told:
        sizes = [step.micro_batch for step in islice(steps, 3)]
    assert sizes == [3, 3, 3]
    assert len(told) == 2  # 2 parts, then 4


def test_memory_that_never_suffices_ends_the_training():
    steps = start(TrainConfig(batch_size=4), out_of_memory_above(1))[1]
    with (
        pytest.warns(UserWarning, match="computed in 2 parts"),
        pytest.raises(RuntimeError, match="allocate"),
    ):
        next(steps)


def test_a_batch_too_large_for_the_free_memory_starts_in_parts(scene, monkeypatch):
    monkeypatch.setattr(micro_batches, "free_memory", lambda _: 2**25)
    config = TrainConfig(batch_size=16, tile=TileConfig(64, 0), unlabelled=None)
    with pytest.warns(UserWarning, match="A batch of 16 patches needs about"):
        trainer = trainer_of(ModelSpec("segresnet", dims="2D"), config, scene)
    assert trainer.parts > 1


def test_minutes_alone_end_a_training_and_its_length_is_expected():
    config = TrainConfig(epochs=None, minutes=0.01)
    steps = list(start(config)[1])
    assert 0.4 < steps[-1].seconds < 3
    assert steps[-1].total == steps[-1].done
    middle = steps[len(steps) // 2]
    assert middle.seconds + middle.seconds_left == pytest.approx(0.6)
    assert middle.total == pytest.approx(middle.done * 0.6 / middle.seconds, abs=1)


@pytest.mark.parametrize("name", RELATIVE_RATES)
def test_learning_rates_start_low_or_whole_and_stay_in_bounds(name):
    config = TrainConfig(epochs=10, steps_per_epoch=10, learning_rate=0.5, schedule=name)
    rates = [Schedule(config, done).learning_rate for done in range(100)]
    assert max(rates) == pytest.approx(0.5, rel=0.01)
    assert min(rates) >= 0
    assert (rates[-1] == 0.5) == (name == "constant")
    assert rates[-1] == 0.5 or rates[-1] < 0.02


def test_one_cycle_is_that_of_torch():
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.5, total_steps=10_010)
    config = TrainConfig(epochs=100, steps_per_epoch=100, learning_rate=0.5, schedule="one_cycle")
    for done in range(0, 10_000, 7):
        rate = Schedule(config, done).learning_rate
        assert rate == pytest.approx(theirs.get_last_lr()[0], abs=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(7):
                optimiser.step()
                theirs.step()


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_every_optimiser_learns(name):
    torch.manual_seed(0)
    rate = {"sgd": 0.02}.get(name, 0.1)
    config = TrainConfig(epochs=6, learning_rate=rate, batch_size=2, optimiser=name)
    losses = [step.loss for step in start(config)[1]]
    assert losses[-1] < 0.1 * losses[0]


def test_bfloat16_and_channels_last_learn_alike(scene, monkeypatch):
    spec, config = (
        ModelSpec("unet", options={"encoder_depth": 3, "decoder_channels": (16, 8, 8)}),
        TrainConfig(
            epochs=1, steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0), unlabelled=None
        ),
    )
    plain = Segmenter(spec, device="cpu").fit(*scene, config).history
    half = Segmenter(spec, device="cpu").fit(*scene, replace(config, precision="bfloat16"))
    assert half.trained.provenance["precision"] == "bfloat16"
    assert half.history != plain
    assert half.history == pytest.approx(plain, rel=0.05)
    assert all(t.dtype == torch.float32 for t in half.trained.network.parameters())
    monkeypatch.setattr(gradient, "fast_memory_format", lambda *_: torch.channels_last)
    last = Segmenter(spec, device="cpu").fit(*scene, config)
    assert last.history[0] == pytest.approx(plain[0], rel=1e-4)
    assert last.history == pytest.approx(plain, rel=0.02)
    assert all(t.is_contiguous() for t in last.trained.network.parameters())


def test_fit_draws_a_bar_only_if_asked(scene, capsys):
    config = TrainConfig(epochs=1, steps_per_epoch=2, batch_size=2, tile=TileConfig(32, 0))
    segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu")
    segmenter.fit(*scene, config)
    assert capsys.readouterr() == ("", "")
    segmenter.fit(*scene, config, progress=True)
    assert "2/2" in capsys.readouterr().err
    with pytest.raises(TypeError, match="progress"):
        segmenter.fit(*scene, config, progress="yes")


def test_class_weights_are_balanced_over_the_labelled_pixels(scene):
    config = TrainConfig(
        epochs=1,
        steps_per_epoch=1,
        batch_size=2,
        tile=TileConfig(32, 0),
        unlabelled=None,
        class_weights="balanced",
    )
    segmenter = Segmenter(ModelSpec("segresnet", dims="2D"), device="cpu").fit(*scene, config)
    counts = np.bincount(scene[1].ravel())
    weights = segmenter.trained.provenance["class_weights"]
    assert weights == pytest.approx(counts.sum() / (3 * counts), rel=1e-4)


def test_a_training_that_minutes_ended_is_repeated_by_its_learning_rates(scene, tmp_path):
    timed = TrainConfig(
        epochs=None, minutes=0.01, batch_size=2, tile=TileConfig(32, 0), unlabelled=None
    )
    spec = ModelSpec("segresnet", dims="2D")
    first = Segmenter(spec, device="cpu").fit(*scene, timed)
    again = Segmenter.load(first.save(tmp_path / "a.segkit"), device="cpu")
    rates = again.learning_rates
    assert len(rates) == len(first.history)
    again.fit(*scene, timed, learning_rates=rates)
    assert again.history == first.history
    assert again.learning_rates == rates
    for wrong in ("fast", [], [1e-3, -1.0], [float("nan")]):
        with pytest.raises((TypeError, ValueError), match="learning_rates is"):
            again.fit(*scene, timed, learning_rates=wrong)


LIMITED = """
import resource, sys, warnings
import numpy as np, torch
import segmentation_models_pytorch  # libraries take address space, too
from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.training import micro_batches, semantic
micro_batches.free_memory = lambda device: 2**40  # there seems to be enough
torch.set_num_threads(1)
image = np.random.default_rng(0).random((256, 256), np.float32)
labels = np.where(image > 0.5, 1, 2)
config = TrainConfig(epochs=1, steps_per_epoch=3, batch_size=16, precision="float32")
segmenter = Segmenter(ModelSpec("unet"), device="cpu")
steps = segmenter.train_epochs(image, labels, config)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1500 * 2**20,) * 2)
print([step.micro_batch for step in steps], segmenter.is_trained)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_a_training_goes_on_where_memory_runs_out():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    sizes, trained = done.stdout.strip().rsplit(" ", 1)
    assert trained == "True"
    assert set(eval(sizes)) <= {2, 4, 8}
    assert "Memory ran out" in done.stderr
