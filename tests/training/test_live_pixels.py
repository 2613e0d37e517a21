"""The pixel classifier learns each stroke while it is trained."""

from contextlib import closing, suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.models.pixels.classifier import PixelClassifier
from napari_segkit.steps import Finish, Step, Waiting, drain
from napari_segkit.training import labelled_tiles, live_pixels
from napari_segkit.training.commands import AddLabels, Snapshot
from napari_segkit.training.events import LabelsStep, SnapshotStep, TrainStep, ValidationStep

TILES = TileConfig(tile_size=48, overlap=16)
CONFIG = TrainConfig(tile=TILES)


def scene(shape, seed=0):
    """Noise that is coarse on the left and fine on the right, and one stroke in each half."""
    random = np.random.default_rng(seed)
    coarse, fine = ndimage.gaussian_filter(random.normal(size=shape), 2), random.normal(size=shape)
    left = np.indices(shape)[-1] < shape[-1] // 2
    image = np.where(left, coarse / coarse.std(), fine).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    labels[..., 10:13, 4:30], labels[..., 10:13, -30:-4] = 1, 2
    return image, labels


def strokes(shape):
    """Boxes of labels, one after the other: painted, painted over, erased."""
    return [
        ((slice(30, 34), slice(6, 40)), 1),
        ((slice(50, 53), slice(shape[-1] - 40, shape[-1] - 6)), 2),
        ((slice(31, 33), slice(10, 20)), 0),
        ((slice(70, 90), slice(shape[-1] - 30, shape[-1] - 10)), 1),
        ((slice(75, 85), slice(shape[-1] - 30, shape[-1] - 20)), 2),
    ]


class Live:
    """A training that goes on, with commands one by one."""

    def __init__(self, segmenter, images, labels, config=CONFIG, **arguments):
        self.segmenter = segmenter
        self.steps = segmenter.train_epochs(images, labels, config.live(), **arguments)
        self.step = next(self.steps)
        self.wait()

    def wait(self):
        """Go on until there is nothing to do."""
        seen = []
        while not isinstance(self.step, Waiting):
            seen.append(self.step)
            self.step = next(self.steps)
        return seen

    def send(self, command):
        self.step = self.steps.send(command)
        return self.step

    def paint(self, labels, box, value, image=0):
        labels[box] = value
        start = tuple(side.start for side in box)
        return self.send(AddLabels(image, start, labels[box].copy()))

    def finish(self):
        with suppress(StopIteration):
            self.steps.send(Finish())
        drain(self.steps)


def weights(segmenter):
    return segmenter.trained.network.state_dict()


def require_same(one, other):
    assert all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(one).items())
    assert one.history == other.history


def test_strokes_give_the_model_of_a_training_on_the_labels_as_they_are_in_the_end():
    image, labels = scene((96, 150))
    live = Live(Segmenter("pixels"), image, labels)
    for box, value in strokes(image.shape):
        answer = live.paint(labels, box, value)
        assert isinstance(answer, LabelsStep)
        assert answer.train == {v: int((labels == v).sum()) for v in (1, 2)}
        live.wait()
    live.finish()
    require_same(live.segmenter, Segmenter("pixels").fit(image, labels, CONFIG))


def test_so_do_more_labels_than_it_takes(monkeypatch):
    """Then the random sample depends on the number of labels of each class."""
    monkeypatch.setattr(labelled_tiles, "SAMPLED_PIXELS", 500)
    monkeypatch.setattr(labelled_tiles, "MIN_PER_CLASS", 100)
    image, labels = scene((96, 150))
    live = Live(Segmenter("pixels"), image, labels)
    for box, value in strokes(image.shape):
        live.paint(labels, box, value)
        live.wait()
    live.finish()
    require_same(live.segmenter, Segmenter("pixels").fit(image, labels, CONFIG))


@pytest.mark.parametrize(
    ("shape", "axes", "spec"),
    [
        ((3, 64, 96), "TYX", ModelSpec("pixels")),
        ((64, 96, 3), "YXC", ModelSpec("pixels")),
        ((12, 48, 64), "ZYX", ModelSpec("pixels", dims="3D")),
    ],
)
def test_movies_colours_and_volumes(shape, axes, spec):
    image, labels = scene(shape if axes != "YXC" else shape[:2])
    image = np.stack([image, image * 0.5, image + 1], -1) if axes == "YXC" else image
    live = Live(Segmenter(spec), image, labels, axes=axes)
    box = (slice(1, 2),) * (labels.ndim - 2) + (slice(30, 40), slice(10, 30))
    live.paint(labels, box, 1)
    live.finish()
    require_same(live.segmenter, Segmenter(spec).fit(image, labels, CONFIG, axes=axes))


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        (ModelSpec("pixels", objects="boundary"), CONFIG),
        (ModelSpec("pixels"), replace(CONFIG, voxel_size=0.7)),
    ],
)
def test_objects_and_resampled_images(spec, config):
    image, labels = scene((64, 96))
    labels[40:44, 60:90] = 3 if spec.objects else 2
    live = Live(Segmenter(spec), image, labels, config)
    live.paint(labels, (slice(50, 60), slice(10, 20)), 4 if spec.objects else 1)
    live.finish()
    require_same(live.segmenter, Segmenter(spec).fit(image, labels, config))


def test_several_images_one_of_which_is_not_labelled_at_first():
    images, labels = zip(*(scene((64, 80 + 16 * n), n) for n in range(3)), strict=True)
    images, labels = list(images), list(labels)
    labels[1][20:] = 0
    live = Live(Segmenter("pixels"), images, labels)
    live.paint(labels[1], (slice(40, 44), slice(10, 30)), 1, image=1)
    live.paint(labels[2], (slice(0, 64), slice(0, 112)), 0, image=2)
    live.finish()
    ordinary = Segmenter("pixels").fit(images, labels, CONFIG)
    require_same(live.segmenter, ordinary)


def test_strokes_on_missing_pixels_are_left_out():
    image, labels = scene((64, 96))
    image[11:13], image[40:44, 10:20] = np.nan, np.inf
    with pytest.warns(UserWarning, match="NaN or infinite"):
        live = Live(Segmenter("pixels"), image, labels)
    live.paint(labels, (slice(38, 46), slice(4, 30)), 1)
    live.finish()
    with pytest.warns(UserWarning, match="NaN or infinite"):
        ordinary = Segmenter("pixels").fit(image, labels, CONFIG)
    require_same(live.segmenter, ordinary)


def test_a_snapshot_holds_what_was_painted_just_before():
    image, labels = scene((64, 96))
    live = Live(Segmenter("pixels"), image, labels)
    live.paint(labels, (slice(40, 50), slice(60, 90)), 2)
    answer = live.send(Snapshot())
    assert isinstance(answer, SnapshotStep)
    ordinary = Segmenter("pixels").fit(image, labels, CONFIG)
    assert torch.equal(answer.model.network.weight, ordinary.trained.network.weight)
    assert any(isinstance(step, TrainStep) for step in live.wait())


def test_a_stroke_computes_features_of_its_own_tile_only(monkeypatch):
    image, labels = scene((96, 150))
    live = Live(Segmenter("pixels"), image, labels)
    computed = []
    features = PixelClassifier.features
    monkeypatch.setattr(
        PixelClassifier,
        "features",
        lambda *args, **kwargs: computed.append(1) or features(*args, **kwargs),
    )
    live.paint(labels, (slice(50, 52), slice(52, 55)), 1)
    live.wait()
    assert len(computed) == 1
    live.paint(labels, (slice(50, 52), slice(52, 55)), 0)
    live.wait()
    assert len(computed) == 1


def test_a_stroke_that_changes_nothing_is_not_learned_again():
    image, labels = scene((64, 96))
    live = Live(Segmenter("pixels"), image, labels)
    live.paint(labels, (slice(10, 12), slice(6, 20)), 1)
    assert not any(isinstance(step, TrainStep) for step in live.wait())


def test_it_scores_by_strokes_once_nothing_was_painted_for_a_while(monkeypatch):
    monkeypatch.setattr(live_pixels, "SCORE_AFTER", -1.0)
    monkeypatch.setattr(live_pixels, "SCORE_PAUSE", 0.0)
    image, labels = scene((96, 150))
    live = Live(Segmenter("pixels"), image, labels)
    for box, value in strokes(image.shape):
        live.paint(labels, box, value)
        validation = [s for s in live.wait() if isinstance(s, ValidationStep)]
    *_, ordinary = [
        step
        for step in Segmenter("pixels").train_epochs(image, labels, CONFIG)
        if isinstance(step, ValidationStep)
    ]
    assert [each.dice for each in validation] == [ordinary.dice]
    assert live.step.seconds is None
    before = live.send(Snapshot()).model.network.weight
    live.finish()
    assert live.segmenter.held_out.how == "folds"
    assert torch.equal(before, live.segmenter.trained.network.weight)


@pytest.mark.parametrize("is_ended", [False, True])
def test_a_stroke_or_the_end_interrupts_a_score(monkeypatch, is_ended):
    """Where there is a figure already, a person who ends it does not wait for another one."""
    monkeypatch.setattr(live_pixels, "SCORE_AFTER", -1.0)
    monkeypatch.setattr(live_pixels, "SCORE_PAUSE", 0.0)
    image, labels = scene((96, 150))
    live = Live(Segmenter("pixels"), image, labels)
    *first, (box, value) = strokes(image.shape)
    for each in first:
        live.paint(labels, *each)
    live.wait()  # for a first figure
    live.paint(labels, box, value)
    while type(live.step) is not Step or live.step.total:
        live.step = next(live.steps)  # until the first fold is scored
    scored = []
    score = live_pixels.LivePixelTrainer._scores
    monkeypatch.setattr(
        live_pixels.LivePixelTrainer, "_scores", lambda *args: scored.append(1) or score(*args)
    )
    if is_ended:
        live.finish()
        assert not scored
    else:
        live.paint(labels, (slice(50, 53), slice(100, 140)), 2)
        live.step = next(live.steps)
        told = [s for s in live.wait() if isinstance(s, TrainStep | ValidationStep)]
        assert [type(s) for s in told] == [TrainStep, ValidationStep]
        live.finish()
    require_same(live.segmenter, Segmenter("pixels").fit(image, labels, CONFIG))
    assert "validation" in live.segmenter.trained.provenance


def test_it_waits_for_the_time_to_score():
    live = Live(Segmenter("pixels"), *scene((64, 96)))
    assert 0 < live.step.seconds <= live_pixels.SCORE_AFTER
    with closing(live.steps):
        assert isinstance(next(live.steps), Waiting)


def test_all_labels_taken_away_leave_the_model_as_it_was():
    image, labels = scene((64, 96))
    live = Live(Segmenter("pixels"), image, labels)
    before = live.send(Snapshot()).model.network.weight
    live.paint(labels, (slice(0, 64), slice(0, 96)), 0)
    live.wait()
    live.finish()
    assert torch.equal(before, live.segmenter.trained.network.weight)


def test_only_live_predictions_keep_features():
    image, labels = scene((64, 96))
    live = Live(Segmenter("pixels"), image, labels)
    assert live.send(Snapshot()).model.network.keeps_features
    live.finish()
    assert not live.segmenter.trained.network.keeps_features
