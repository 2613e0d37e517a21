from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from napari_segkit import TrainConfig
from napari_segkit.torch_random import RandomSource
from napari_segkit.training.loop import train
from napari_segkit.training.schedule import Schedule
from napari_segkit.training.state import TrainingState


def start(config, loss=nn.functional.mse_loss):
    """A network, and the steps of its training to multiply by three."""
    network = nn.Conv2d(1, 1, 1)
    optimiser = torch.optim.AdamW(network.parameters())
    random = RandomSource(0), np.random.default_rng(0)
    state = TrainingState({}, network, *random, Schedule(config), optimiser)

    def batch():
        x = torch.randn(config.batch_size, 1, 4, 4)
        return x, 3 * x

    return network, train(state, batch, lambda x, target: loss(network(x), target))


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
