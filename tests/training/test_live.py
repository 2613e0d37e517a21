"""A training goes on while a person paints: labels are added, weights are averaged."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import AugmentConfig, ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.training.commands import AddLabels, Checkpoint, Finish, Snapshot
from napari_segkit.training.events import LabelsStep, RefusedStep, TrainStep, ValidationStep

UNET = ModelSpec("unet", options={"encoder_depth": 3, "decoder_channels": (16, 8, 8)})
CONFIG = TrainConfig(
    steps_per_epoch=3, batch_size=2, tile=TileConfig(32, 0), augment=AugmentConfig(augment=False)
)
LIVE = CONFIG.live()


@pytest.fixture
def strokes():
    """Two strokes in an image of 96 x 96 pixels, whose lower half is brighter."""
    image = np.random.default_rng(0).normal(size=(96, 96)).astype(np.float32)
    image[48:] += 3
    labels = np.zeros((96, 96), np.uint8)
    labels[6:10, 6:26], labels[80:84, 6:26] = 1, 2
    return image, labels


def run(steps, until):
    """The events of a training up to a step."""
    events = []
    while not any(isinstance(e, TrainStep) and e.done == until for e in events):
        events.append(next(steps))
    return events


def finished(segmenter, steps):
    """The events that follow `Finish`, and the model."""
    events = []
    try:
        events.append(steps.send(Finish()))
        while True:
            events.append(next(steps))
    except StopIteration:
        return events, segmenter.trained


def weights_of(segmenter):
    return {n: p.detach().clone() for n, p in segmenter.trained.network.named_parameters()}


def test_the_model_has_the_moving_average_of_the_weights(strokes):
    """Against the weights of trainings that end after each step."""
    rates, averaged = [1e-3] * 5, None
    for count in range(1, 6):
        segmenter = Segmenter(UNET)
        segmenter.fit(*strokes, CONFIG, learning_rates=rates[:count])
        now = weights_of(segmenter)
        decay = min(0.3, count / (9 + count))  # from the second step on
        averaged = (
            now
            if averaged is None
            else {n: decay * averaged[n] + (1 - decay) * w for n, w in now.items()}
        )
    segmenter.fit(*strokes, replace(CONFIG, average=0.3), learning_rates=rates)
    for name, weight in weights_of(segmenter).items():
        torch.testing.assert_close(weight, averaged[name], rtol=1e-4, atol=1e-6)


def test_a_training_without_end_goes_on_until_it_is_told_to_finish(strokes):
    segmenter = Segmenter(UNET)
    steps = segmenter.train_epochs(*strokes, LIVE)
    last = run(steps, 7)[-1]
    assert (last.total, last.seconds_left) == (0, None)
    copy = steps.send(Snapshot()).model
    _, model = finished(segmenter, steps)
    assert len(model.history) == 7
    assert torch.equal(*(next(network.parameters()) for network in (copy.network, model.network)))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: TrainConfig(epochs=None, minutes=None), "'cosine' needs one"),
        (lambda: Segmenter(UNET).fit([], [], LIVE), "Only train_epochs runs without an end"),
    ],
)
def test_a_training_without_end_is_refused_where_nothing_ends_it(config, words):
    with pytest.raises(ValueError, match=words):
        config()


def test_strokes_that_are_added_are_learned(strokes):
    """A class that was wrong in one corner is right there after a stroke."""
    image, labels = strokes
    image[60:, 60:] -= 6  # darker than the first class
    segmenter = Segmenter(UNET)
    steps = segmenter.train_epochs(image, labels.copy(), LIVE)
    run(steps, 10)
    stroke = np.full((4, 20), 2, np.uint8)
    step = steps.send(AddLabels(0, (70, 70), stroke))
    assert isinstance(step, LabelsStep)
    assert (step.train, step.validate) == ({1: 80, 2: 160}, {1: 0, 2: 0})
    run(steps, 40)
    _, model = finished(segmenter, steps)
    assert (segmenter.predict(image)[66:90, 66:90] == 2).mean() > 0.9
    held = labels.copy()
    held[70:74, 70:90] = 2
    runs = model.provenance["trained_on"][0]["trained"]
    assert sum(runs[1::2]) == (held > 0).sum()


def test_about_every_fifth_stroke_is_held_out_and_none_touches_what_is_trained_on(strokes):
    image, labels = strokes
    segmenter = Segmenter(UNET)
    steps = segmenter.train_epochs(image, labels.copy(), LIVE)
    run(steps, 1)
    held = []
    for number in range(9):
        box = np.ones((2, 6), np.uint8)
        step = steps.send(AddLabels(0, (14 + 8 * (number % 4), 8 + 30 * (number // 4)), box))
        held.append(step.validate[1])
    assert held == [0, 0, 0, 12, 12, 12, 12, 12, 24]  # the fifth and the tenth of this class
    (mask,) = segmenter.held_out.masks
    assert mask.sum() == 24
    step = steps.send(AddLabels(0, (38, 14), np.ones((2, 6), np.uint8)))  # goes on with the fifth
    assert step.validate[1] == 24 + 12
    step = steps.send(AddLabels(0, (38, 8), np.zeros((2, 12), np.uint8)))  # erased
    assert step.validate[1] == 12
    events, model = finished(segmenter, steps)
    assert any(isinstance(e, ValidationStep) and e.pixels == 12 for e in events)
    assert model.provenance["validation"]["pixels"] == 12


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (AddLabels(0, (0, 0), np.full((2, 2), 7)), "class 7.*start it anew"),
        (AddLabels(0, (95, 0), np.ones((2, 2), int)), "does not lie in"),
        (AddLabels(0, (0,), np.ones((2, 2), int)), "does not lie in"),
        (AddLabels(0, (0, 0), np.ones((2, 2))), "must be integers"),
        (AddLabels(3, (0, 0), np.ones((2, 2), int)), "have the numbers 0"),
    ],
)
def test_what_cannot_be_added_is_refused_and_the_training_goes_on(strokes, command, words):
    segmenter = Segmenter(UNET)
    steps = segmenter.train_epochs(*strokes, LIVE)
    run(steps, 1)
    answer = steps.send(command)
    assert isinstance(answer, RefusedStep)
    with pytest.raises(ValueError, match=words):
        raise answer.error
    assert isinstance(next(steps), TrainStep)


def test_a_resumed_training_has_the_averages_and_takes_changed_labels(strokes, tmp_path):
    image, labels = strokes
    one, other = Segmenter(UNET), Segmenter(UNET)
    steps = one.train_epochs(image, labels, LIVE)
    run(steps, 4)
    steps.send(Checkpoint(tmp_path / "a.state"))
    run(steps, 6)
    finished(one, steps)
    steps = other.train_epochs(image, labels, LIVE, resume=tmp_path / "a.state")
    run(steps, 6)
    finished(other, steps)
    for name, weight in weights_of(one).items():
        assert torch.equal(weight, weights_of(other)[name])
    labels[20:24, 6:26] = 1
    assert next(other.train_epochs(image, labels, LIVE, resume=tmp_path / "a.state")).done == 5
