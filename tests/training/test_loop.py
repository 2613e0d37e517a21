from itertools import islice

import pytest
import torch
from torch import nn

from napari_segkit import TrainConfig
from napari_segkit.torch_random import RandomSource
from napari_segkit.training.loop import train

CPU, RANDOM = torch.device("cpu"), RandomSource(0)


def mse(network):
    return lambda images, targets: nn.functional.mse_loss(network(images), targets)


def batch(count):
    x = torch.randn(count, 1, 4, 4)
    return x, 3 * x


def test_steps_tell_progress_and_the_loss_falls():
    torch.manual_seed(0)
    config = TrainConfig(epochs=4, steps_per_epoch=25, learning_rate=0.1, batch_size=2)
    network = nn.Conv2d(1, 1, 1)
    steps = list(train(network, batch, mse(network), config, CPU, RANDOM))
    assert [s.done for s in steps] == list(range(1, 101))
    assert (steps[0].epoch, steps[-1].epoch, steps[-1].total) == (1, 4, 100)
    assert steps[-1].images == 200
    assert steps[-1].loss < 0.01 < steps[0].loss


def test_closing_leaves_the_network_ready_to_predict():
    network = nn.Conv2d(1, 1, 1)
    steps = train(network, batch, mse(network), TrainConfig(), CPU, RANDOM)
    next(steps)
    assert network.training
    steps.close()
    assert not network.training


def test_the_time_limit_ends_training():
    config = TrainConfig(epochs=100_000, steps_per_epoch=100, minutes=0.01)
    network = nn.Conv2d(1, 1, 1)
    last = list(train(network, batch, mse(network), config, CPU, RANDOM))[-1]
    assert 0.4 < last.seconds < 3


def test_a_loss_that_is_no_number_stops_with_a_sentence():
    network = nn.Conv2d(1, 1, 1)
    steps = train(
        network, batch, lambda a, _: network(a).sum() * float("nan"), TrainConfig(), CPU, RANDOM
    )
    with pytest.raises(FloatingPointError, match="step 1: choose a lower learning rate"):
        list(islice(steps, 3))
