from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from napari_segkit import TrainConfig
from napari_segkit.torch_random import RandomSource
from napari_segkit.training.gradient import GradientTrainer
from napari_segkit.training.schedule import Schedule
from napari_segkit.training.state import TrainingState
from napari_segkit.training.trainer import TrainingSetup


class Triple(GradientTrainer):
    """A network is trained to multiply by three; there is no data."""

    def __init__(self, config, loss):
        self.config, self.loss = config, loss
        self.setup = TrainingSetup(None, None, config, torch.device("cpu"))
        self.network, self.recent = nn.Conv2d(1, 1, 1), []
        random = RandomSource(0), np.random.default_rng(0)
        schedule, optimiser = Schedule(config), self._make_optimiser()
        self.state = TrainingState({}, self.network, *random, schedule, optimiser)

    def _make_sampler(self, samples, random, *, augment):
        """Not needed."""

    def _batch(self):
        x = torch.randn(self.config.batch_size, 1, 4, 4)
        return x, 3 * x

    def _loss(self, network, images, targets):
        return self.loss(network(images), targets)


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
