"""What became NaN or infinite in a training is told, and never delivered."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.training.commands import Snapshot
from napari_segkit.training.events import RefusedStep, ValidationStep
from napari_segkit.training.gradient import GradientTrainer

CONFIG = TrainConfig(
    epochs=3,
    steps_per_epoch=4,
    batch_size=2,
    tile=TileConfig(32, 16),
    labels_are="classes",
    validation=None,
)
OBJECTS = replace(CONFIG, labels_are="objects")
SMALL = ModelSpec("segresnet", dims="2D")
SPECS = {"semantic": (SMALL, CONFIG), "instance": (ModelSpec("solo"), OBJECTS)}


@pytest.fixture
def spoil(monkeypatch):
    """A function that changes the losses from a step on; it gives the weights of the last step."""

    def from_step(first, change):
        step, weights = GradientTrainer._step, {}

        def spoiled(trainer):
            kind = type(trainer)
            loss = kind._loss
            with monkeypatch.context() as patch:
                if len(trainer.state.history) + 1 >= first:
                    patch.setattr(kind, "_loss", lambda *a: change(loss(*a)))
                done = step(trainer)
            weights.update({n: p.detach().clone() for n, p in trainer.network.named_parameters()})
            return done

        monkeypatch.setattr(GradientTrainer, "_step", spoiled)
        return weights

    return from_step


@pytest.mark.parametrize("kind", ["semantic", pytest.param("instance", marks=pytest.mark.slow)])
def test_a_training_that_diverges_keeps_the_model_of_the_step_before(spoil, scene, kind):
    spec, config = SPECS[kind]
    segmenter, weights = Segmenter(spec), spoil(7, lambda loss: loss * torch.nan)
    with pytest.warns(UserWarning, match="The loss became nan at step 7: choose a lower") as said:
        segmenter.fit(*scene, config)
    assert str(said[0].message).endswith("and the model from before is kept.")
    assert len(segmenter.history) == 6
    kept = dict(segmenter.trained.network.named_parameters())
    assert all(torch.equal(kept[name], weight) for name, weight in weights.items())
    assert segmenter.trained.provenance["images_seen"] == 12
    assert np.isfinite(segmenter.predict_proba(scene[0])).all()


def test_a_gradient_that_overflows_never_reaches_the_weights(spoil, scene):
    spoil(6, lambda loss: loss + (loss * 0).sqrt())  # adds 0, with an infinite slope
    segmenter = Segmenter(SMALL)
    with pytest.warns(UserWarning, match="The gradient became nan at step 6"):
        segmenter.fit(*scene, CONFIG)
    assert all(p.isfinite().all() for p in segmenter.trained.network.parameters())


@pytest.mark.parametrize(
    ("first", "change"),
    [
        pytest.param(1, lambda loss: loss * torch.inf, id="before anything is learned"),
        pytest.param(2, lambda loss: loss * 1e30, id="after the loss has risen"),
    ],
)
def test_a_model_that_has_learned_nothing_does_not_replace_the_previous_one(
    spoil, scene, first, change
):
    segmenter = Segmenter(SMALL).fit(*scene, replace(CONFIG, epochs=1))
    previous = segmenter.trained
    spoil(first, change)
    with pytest.raises(FloatingPointError, match=r"became inf at step .: choose a lower learning"):
        segmenter.fit(*scene, CONFIG)
    assert segmenter.trained is previous


def test_a_validated_training_that_diverges_keeps_its_best_weights(spoil, scene):
    spoil(7, lambda loss: loss * torch.nan)
    segmenter = Segmenter(SMALL)
    steps = segmenter.train_epochs(*scene, CONFIG, validation=scene)
    with pytest.warns(UserWarning, match="nan at step 7"):
        (validated,) = [step for step in steps if isinstance(step, ValidationStep)]
    kept = {"epoch": 1, "score": validated.score}
    assert segmenter.trained.provenance["validation"].items() >= kept.items()


def test_batch_statistics_that_overflow_are_refused(scene, monkeypatch):
    monkeypatch.setattr("napari_segkit.training.semantic.update_bn", overflow)
    segmenter = Segmenter(ModelSpec("unet", encoder="mobilenet_v2"))
    steps = segmenter.train_epochs(*scene, CONFIG)
    next(steps)
    refused = steps.send(Snapshot())
    assert isinstance(refused, RefusedStep)
    assert "batch statistics of the network became NaN or infinite: norm" in str(refused.error)
    with pytest.raises(FloatingPointError, match="batch statistics"):
        steps.close()
    assert not segmenter.is_trained


def overflow(_, network):
    next(b for n, b in network.named_buffers() if n.endswith("running_var")).fill_(torch.inf)


LARGE = {
    "none": (1e19, np.float32, "1e.19, too large to be used unchanged: choose normalise='image'"),
    "integers": (2**62, np.uint64, "4.61e.18, too large to be used unchanged"),
    "doubles": (1e300, np.float64, "1e.300, too large to be used unchanged"),
    "outlier": (-3e38, np.float32, "-3e.38, far out of the range of the others: set such pixels"),
}


@pytest.mark.parametrize("case", LARGE)
@pytest.mark.parametrize("spec", [SMALL, ModelSpec("pixels")], ids=lambda spec: spec.name)
def test_intensities_that_would_overflow_are_refused_before_the_first_step(scene, case, spec):
    value, dtype, message = LARGE[case]
    image, labels = np.abs(100 * scene[0]).astype(dtype), scene[1]
    image[30, 30] = value
    how = "image" if case == "outlier" else "none"
    with pytest.raises(ValueError, match=message):
        next(Segmenter(spec).train_epochs(image, labels, replace(CONFIG, normalise=how)))


@pytest.mark.parametrize(
    ("image", "normalise"),
    [
        ("float16", "none"),
        pytest.param("float16", "image", marks=pytest.mark.slow),
        ("constant", "none"),
        ("constant", "image"),
    ],
)
def test_other_unusual_images_give_finite_models(scene, image, normalise):
    pixels = scene[0] * 1e4 if image == "float16" else scene[0] * 0
    if image == "float16":
        pixels = pixels.astype(np.float16)
        pixels[10, 10] = np.inf  # as where a value did not fit
    config = replace(CONFIG, epochs=1, steps_per_epoch=2, normalise=normalise)
    segmenter = Segmenter(ModelSpec("unet", encoder="mobilenet_v2"))
    if (image, normalise) == ("constant", "image"):
        with pytest.raises(ValueError, match="is constant"):
            segmenter.fit(pixels, scene[1], config)
    elif image == "float16":
        with pytest.warns(UserWarning, match="NaN or infinite in .* labelled pixels"):
            segmenter.fit(pixels, scene[1], config)
    else:
        segmenter.fit(pixels, scene[1], config)
        assert np.isfinite(segmenter.predict_proba(pixels)).all()
