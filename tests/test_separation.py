"""How readily touching objects are separated is chosen by validation and kept with the model."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig, mean_model, new_training
from napari_segkit.instances.watershed import SEPARATIONS
from napari_segkit.separation import choose_separation
from napari_segkit.steps import drain
from napari_segkit.training.events import TrainStep
from napari_segkit.training.validation_history import validations_of


@dataclass
class Report:
    f1_at_half: float
    mean_ap: float
    truth_objects: int = 100

    @property
    def f1(self):
        return {0.5: self.f1_at_half}


@pytest.mark.parametrize(
    ("reports", "chosen"),
    [
        ({0.4: Report(0.8, 0.5), 0.3: Report(0.7, 0.5), 0.5: Report(0.9, 0.5)}, 0.5),
        ({0.4: Report(0.8, 0.5), 0.5: Report(0.801, 0.501)}, 0.4),
        ({0.4: Report(0.8, 0.5, 19), 0.5: Report(0.9, 0.6, 19)}, 0.4),
        ({0.4: Report(np.nan, np.nan), 0.5: Report(np.nan, np.nan)}, 0.4),
        ({None: Report(0.8, 0.5)}, None),
    ],
)
def test_the_first_one_stays_unless_another_one_gains(reports, chosen):
    assert choose_separation(reports) == chosen


def _chains(rng, shape=(96, 96)):
    """Image and ids of squares that touch their neighbours at a narrow side."""
    ids = np.zeros(shape, np.int32)
    for row in range(4, shape[0] - 12, 16):
        for column in range(4, shape[1] - 24, 22):
            number = ids.max()
            ids[row : row + 10, column : column + 10] = number + 1
            ids[row + 3 : row + 7, column + 10 : column + 12] = number + 1
            ids[row : row + 10, column + 12 : column + 22] = number + 2
    return (ids > 0) * 100.0 + rng.normal(0, 8, shape), ids


@pytest.fixture(scope="module")
def classifier():
    image, ids = _chains(np.random.default_rng(0))
    spec = ModelSpec("pixels", objects="boundary")
    config = TrainConfig(labels_are="objects", tile=TileConfig(96, 0))
    return Segmenter(spec, device="cpu").fit(image, ids, config)


def test_the_pixel_classifier_is_given_one(classifier, tmp_path):
    assert classifier.trained.separation in SEPARATIONS["boundary"]
    classifier.save(tmp_path / "a.segkit")
    assert Segmenter.load(tmp_path / "a.segkit").trained.separation == classifier.trained.separation


def test_larger_frames_than_are_predicted_for_it_are_left_out(monkeypatch):
    monkeypatch.setattr(new_training, "SEPARATION_PIXELS", 64**2)
    image, ids = _chains(np.random.default_rng(0))
    config = TrainConfig(labels_are="objects", tile=TileConfig(96, 0))
    segmenter = Segmenter(ModelSpec("pixels", objects="boundary"), device="cpu")
    assert segmenter.fit(image, ids, config).trained.separation is None


def test_an_interrupted_training_does_not_wait_for_it():
    image, ids = _chains(np.random.default_rng(0))
    segmenter = Segmenter(ModelSpec("pixels", objects="boundary"), device="cpu")
    config = TrainConfig(labels_are="objects", tile=TileConfig(96, 0))
    steps = segmenter.train_epochs(image, ids, config)
    while not isinstance(next(steps), TrainStep):
        pass
    steps.close()
    assert segmenter.trained.separation is None


def test_prediction_uses_it(classifier):
    image, _ = _chains(np.random.default_rng(1))
    counts = []
    for separation in (0.05, 0.9):
        other = Segmenter(classifier.spec, device="cpu")
        other.restore(replace(classifier.trained, separation=separation))
        result = drain(other.predict_tiles(image))
        counts.append(result.labels.max())
        assert result.provenance["separation"] == separation
    assert counts[0] < counts[1]


def test_networks_take_that_of_their_best_validation():
    image, ids = _chains(np.random.default_rng(0))
    config = TrainConfig(
        epochs=2, steps_per_epoch=2, batch_size=2, tile=TileConfig(32, 8), labels_are="objects"
    )
    spec = ModelSpec("segresnet", dims="2D", objects="distance")
    segmenter = Segmenter(spec, device="cpu").fit(image, ids, config, validation=(image, ids))
    (best,) = [v for v in validations_of(segmenter.trained) if v.is_best][-1:]
    assert segmenter.trained.separation == best.separation
    assert best.separation in SEPARATIONS["distance"]


def test_a_mean_of_models_takes_the_median(classifier):
    models = []
    for separation in (0.3, 0.4, 0.6):
        segmenter = Segmenter(classifier.spec, device="cpu")
        network = deepcopy(classifier.trained.network)
        segmenter.restore(replace(classifier.trained, network=network, separation=separation))
        models.append(segmenter)
    assert mean_model(models).trained.separation == 0.4
