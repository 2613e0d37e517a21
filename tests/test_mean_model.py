"""Several models as one that predicts the mean of their probabilities."""

from dataclasses import replace

import numpy as np
import pytest

from napari_segkit import (
    ModelSpec,
    Segmenter,
    TileConfig,
    TrainConfig,
    mean_model,
)
from napari_segkit.mean_model import require_mean
from napari_segkit.tensor_file import read_tensors, write_tensors

QUICK = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    batch_size=2,
    unlabelled=None,
    labels_are="classes",
    validation=None,
    tile=TileConfig(32, 16),
)


@pytest.fixture(scope="module")
def scene():
    image = np.random.default_rng(0).normal(size=(48, 64)).astype(np.float32)
    labels = np.zeros((48, 64), np.uint8)
    labels[6:26, 6:26], labels[30:44, 30:60] = 1, 1
    return image + 3.0 * labels, labels


def trained(scene, spec, config=QUICK, count=3):
    seeds = [replace(config, seed=seed) for seed in range(count)]
    return [Segmenter(spec, device="cpu").fit(*scene, own) for own in seeds]


@pytest.fixture(scope="module")
def models(scene):
    return trained(scene, ModelSpec("pixels"))


@pytest.mark.parametrize(
    ("spec", "changes"),
    [
        (ModelSpec("segresnet", dims="2D"), {"loss": "bce_dice"}),
        (ModelSpec("pixels", objects="boundary"), {"labels_are": "ask"}),
    ],
    ids=["one logit", "objects"],
)
def test_probabilities_are_the_mean_also_from_a_file(scene, spec, changes, tmp_path):
    image = scene[0]
    own = trained(scene, spec, replace(QUICK, **changes), 2)
    mean = mean_model(own)
    mean.save(tmp_path / "mean.segkit")
    loaded = Segmenter.load(tmp_path / "mean.segkit", device="cpu")
    expected = np.mean([each.predict_proba(image) for each in own], axis=0)
    for each in (mean, loaded):
        np.testing.assert_allclose(each.predict_proba(image), expected, atol=1e-5)
    assert loaded.trained.members == 2
    np.testing.assert_array_equal(loaded.predict(image), mean.predict(image))


def test_a_mean_of_means_counts_every_network_once(scene, models):
    image = scene[0]
    mean = mean_model([mean_model(models[:2]), models[2]])
    expected = np.mean([each.predict_proba(image) for each in models], axis=0)
    np.testing.assert_allclose(mean.predict_proba(image), expected, atol=1e-5)


def test_it_predicts_as_any_model(scene, models):
    image, mean = scene[0], mean_model(models)
    maps = mean.predict_proba(image)
    np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-4)
    region = mean.predict(image, region={"Y": slice(0, 20)})
    np.testing.assert_array_equal(region[:20], mean.predict(image)[:20])


def test_what_any_of_them_was_trained_on_the_mean_was(scene):
    image, labels = scene
    top, bottom = labels.copy(), labels.copy()
    top[24:], bottom[:24] = 255, 255
    config = replace(QUICK, unlabelled=255)
    halves = [
        Segmenter(ModelSpec("pixels"), device="cpu").fit(image, own, config)
        for own in (top, bottom)
    ]
    assert mean_model(halves).trained_pixels(image).all()
    assert not halves[0].trained_pixels(image)[24:].any()


def changed(segmenter, **fields):
    return Segmenter.of_trained(replace(segmenter.trained, **fields), device="cpu")


def test_models_that_cannot_predict_together_are_refused(scene, models, require_said):
    first = models[0].trained
    others = {
        "classes": changed(models[1], classes=tuple(replace(c, name="x") for c in first.classes)),
        "normalisation": changed(models[1], config=replace(QUICK, normalise="none")),
        "kind of objects": trained(scene, ModelSpec("pixels", objects="components"), count=1)[0],
        "given twice": models[0],
    }
    for word, other in others.items():
        with pytest.raises(ValueError, match=word) as raised:
            mean_model([models[0], other])
        require_said(raised.value)
    with pytest.raises(ValueError, match="two or more"):
        mean_model(models[:1])


def test_a_mean_is_not_trained_on(scene, models):
    mean = mean_model(models)
    with pytest.raises(ValueError, match="mean of 3 networks"):
        mean.fit(*scene, QUICK, start="current")
    assert mean.fit(*scene, QUICK).trained.members == 1


def test_a_changed_number_of_networks_is_refused(models, tmp_path):
    file = tmp_path / "mean.segkit"
    mean_model(models).save(file)
    for members in (1, 2, 4, 0, 10**6, True, "3"):
        header, tensors = read_tensors(file, "segkit")
        broken = tmp_path / "broken.segkit"
        write_tensors(broken, tensors, "segkit", {**header, "members": members})
        with pytest.raises(ValueError, match="does not match its tensors"):
            Segmenter.load(broken)


def test_objects_with_masks_have_no_mean(require_said):
    for name in ("maskrcnn", "solo"):
        with pytest.raises(ValueError, match="no mean") as raised:
            require_mean(ModelSpec(name))
        require_said(raised.value)
