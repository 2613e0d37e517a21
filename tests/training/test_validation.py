"""A training is validated on images that it does not see, and keeps its best weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from napari.layers import Labels

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.labels import LabelsError
from napari_segkit.models import resolve
from napari_segkit.steps import drain
from napari_segkit.training import trainer_of
from napari_segkit.training.dataset import LabelledImages
from napari_segkit.training.events import Score, TrainStep, ValidationStep
from napari_segkit.training.prepare_data import prepare_data
from napari_segkit.training.training_setup import TrainingSetup

CONFIG = TrainConfig(
    epochs=3, steps_per_epoch=2, batch_size=2, tile=TileConfig(32, 16), unlabelled=None
)
OBJECTS = replace(CONFIG, labels_are="objects")
SMALL = ModelSpec("segresnet", dims="2D")
CLASSES = [LabelClass(v, n, "#888888") for v, n in enumerate(("background", "a", "b"))]


class Scores:
    """A validation after each epoch that gives scores made up."""

    def __init__(self, score):
        self.score, self.least, self.is_sample = score, CONFIG.epochs, False

    def limit(self, tiling, tiles):
        return 0

    def __call__(self, model):
        return Score(self.score(model))


def trainer(scene, score, spec=SMALL, config=CONFIG):
    image, labels = scene
    validate = score and Scores(score)
    labelled = LabelledImages([(AxesImage(image, "YX"), labels)], CLASSES)
    data = prepare_data(spec, config, labelled)
    return trainer_of(spec)(
        TrainingSetup(resolve(spec), data, config, torch.device("cpu"), validate=validate)
    )


def test_the_weights_of_the_best_epoch_are_the_result(scene):
    scores, models = iter((0.1, 0.8, 0.3)), []

    def validate(model):
        models.append(model)
        return next(scores)

    training = trainer(scene, validate)
    validations = [s for s in training.steps() if isinstance(s, ValidationStep)]
    assert [(s.done, s.epoch, s.score, s.is_best) for s in validations] == [
        (2, 1, 0.1, True),
        (4, 2, 0.8, True),
        (6, 3, 0.3, False),
    ]
    result = training.result()
    assert result.provenance["validation"].items() >= {"epoch": 2, "score": 0.8}.items()
    best, last = models[1].network.state_dict(), models[2].network.state_dict()
    own = result.network.state_dict()
    assert all(torch.equal(own[name], best[name]) for name in own)
    assert not all(torch.equal(own[name], last[name]) for name in own)
    assert not result.network.training


def test_the_model_that_is_kept_is_scored_on_more_than_a_sample(scene):
    scores = iter((0.1, 0.8, 0.3, 0.7))
    training = trainer(scene, lambda _: next(scores))
    training.setup.validate.is_sample = True
    validations = [s for s in training.steps() if isinstance(s, ValidationStep)]
    assert [(s.done, s.epoch, s.score, s.is_best) for s in validations[2:]] == [
        (6, 3, 0.3, False),
        (4, 2, 0.7, True),
    ]
    provenance = training.result().provenance
    assert provenance["validation"]["score"] == 0.7
    assert [v["score"] for v in provenance["validations"]] == [0.1, 0.7, 0.3]


def test_a_score_that_is_no_number_is_never_the_best(scene):
    scores = iter((float("nan"), 0.2, float("nan")))
    training = trainer(scene, lambda _: next(scores))
    best = [s.is_best for s in training.steps() if isinstance(s, ValidationStep)]
    assert best == [False, True, False]


def test_a_training_ends_early_after_validations_no_better(scene):
    scores = iter((0.3, 0.8, 0.2))
    training = trainer(scene, lambda _: next(scores), config=replace(CONFIG, patience=1))
    validations = [s for s in training.steps() if isinstance(s, ValidationStep)]
    assert [s.score for s in validations] == [0.3, 0.8, 0.2]
    scores = iter((0.3, 0.2))
    training = trainer(scene, lambda _: next(scores), config=replace(CONFIG, patience=1))
    assert [s.score for s in training.steps() if isinstance(s, ValidationStep)] == [0.3, 0.2]


def test_the_model_with_the_lowest_loss_can_be_kept(scene):
    training = trainer(scene, lambda _: 0.5, config=replace(CONFIG, best_by="loss"))
    losses = iter((0.5, 0.2, 0.4))
    training._held_out_loss = lambda network: next(losses)
    best = [s.is_best for s in training.steps() if isinstance(s, ValidationStep)]
    assert best == [True, True, False]
    assert training.result().provenance["validation"]["loss"] == 0.2


def test_a_validation_does_not_change_the_training(scene):
    losses = [
        [s.loss for s in trainer(scene, validate).steps() if isinstance(s, TrainStep)]
        for validate in (None, lambda _: 0.5)
    ]
    assert losses[0] == losses[1]


def test_a_training_stopped_within_its_first_epoch_has_its_last_weights(scene):
    segmenter = Segmenter(SMALL, device="cpu")
    steps = segmenter.train_epochs(*scene, CONFIG, validation=scene)
    next(steps)
    steps.close()
    assert len(segmenter.history) == 1
    assert "validation" not in segmenter.trained.provenance


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        (SMALL, CONFIG),
        (SMALL, replace(CONFIG, voxel_size=1.5)),
        (ModelSpec("pixels"), CONFIG),
        (ModelSpec("pixels", objects="components"), OBJECTS),
        (ModelSpec("solo"), replace(OBJECTS, epochs=1)),
        (ModelSpec("segresnet", dims="3D"), replace(CONFIG, epochs=1)),
    ],
    ids=["classes", "voxel size", "pixels", "components", "SOLO", "3D"],
)
def test_every_kind_of_model_gets_a_score(spec, config, scene):
    image, labels = scene
    if spec.dims == "3D":
        image, labels = np.stack([image] * 9), np.stack([labels] * 9)
    other = np.roll(image, 5, -1)[..., :50], np.roll(labels, 5, -1)[..., :50]
    segmenter = Segmenter(spec, device="cpu")
    steps = list(segmenter.train_epochs(image, labels, config, validation=other))
    scores = [s.score for s in steps if isinstance(s, ValidationStep)]
    assert len(scores) == (1 if spec.name == "pixels" else config.epochs)
    assert all(0 <= score <= 1 for score in scores)
    assert segmenter.trained.provenance["validation"]["score"] == max(scores)


def test_the_score_is_that_of_evaluate(scene):
    from napari_segkit import evaluate

    image, labels = scene
    scribbles = np.where(np.arange(64)[:, None] % 4, 9, labels)
    config = replace(CONFIG, unlabelled=9)
    segmenter = Segmenter(SMALL, device="cpu")
    segmenter.fit([image] * 2, [labels] * 2, config, validation=([image], [scribbles]))
    report = evaluate(segmenter.predict(image), scribbles, unlabelled=9)
    score = segmenter.trained.provenance["validation"]["score"]
    assert score == pytest.approx(report.mean_dice)


def test_objects_that_are_not_annotated_do_not_count(scene):
    image, labels = scene
    partly = np.where(np.arange(64)[:, None] > 29, 9, labels)
    config = replace(OBJECTS, unlabelled=9)
    segmenter = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    segmenter.fit(image, labels, config, validation=(image, partly))
    assert segmenter.trained.provenance["validation"]["score"] > 0.5


BAD = {
    "unknown class": (lambda i, s: (i, s * 3), "hold class 3, class 6, which the training"),
    "nothing labelled": (lambda i, s: (i, s * 0 + 9), "Nothing is labelled in the validation"),
    "channels": (lambda i, s: (np.stack([i, i, i * 0], -1), s), r"1 channel .* has 3 channels \("),
    "no pair": (lambda i, s: [i, s], "not a pair"),
    "shapes": (lambda i, s: (i, s[:-1]), "needs labels of shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_validation_data_that_cannot_be_used_are_refused_before_work(case, scene):
    change, message = BAD[case]
    config = replace(CONFIG, unlabelled=9)
    steps = Segmenter(SMALL, device="cpu").train_epochs(*scene, config, validation=change(*scene))
    with pytest.raises(ValueError, match=message) as error:
        next(steps)
    assert "\n" not in str(error.value)


def test_validation_labels_without_objects_are_refused_as_such(scene):
    segmenter = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    with pytest.raises(LabelsError, match="Validation: The labels hold no object"):
        segmenter.fit(*scene, OBJECTS, validation=(scene[0], scene[1] * 0))


def test_unknown_classes_of_objects_are_refused_by_name(scene):
    image, labels = scene
    names = [Labels(labels, features={"index": [1, 2], "class": list(k)}) for k in ("ab", "ac")]
    spec = ModelSpec("pixels", objects="components")
    steps = Segmenter(spec, device="cpu").train_epochs(
        image, names[0], OBJECTS, validation=(image, names[1])
    )
    with pytest.raises(LabelsError, match="hold c, which the training labels do not"):
        next(steps)
    drain(
        Segmenter(spec, device="cpu").train_epochs(
            image, names[0], OBJECTS, validation=(image, labels)
        )
    )
