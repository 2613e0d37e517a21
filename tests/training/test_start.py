"""`start="current"` goes on with the trained weights, also with more classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_segkit import ModelSpec, Segmenter, TileConfig, TrainConfig
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.tensor_file import network_tensors

CONFIG = TrainConfig(
    epochs=1,
    steps_per_epoch=2,
    batch_size=2,
    tile=TileConfig(32, 0),
    unlabelled=None,
    validation=None,
)
STILL = replace(CONFIG, learning_rate=1e-7, steps_per_epoch=1)
OBJECTS = replace(STILL, labels_are="objects")
SMALL = ModelSpec("segresnet", dims="2D")
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(scene):
    return Segmenter(SMALL, device="cpu").fit(*scene, CONFIG).trained


@pytest.fixture
def segmenter(trained):
    return Segmenter.of_trained(trained, device="cpu")


def weights(model):
    """Parameters by name."""
    names = dict(model.network.named_parameters())
    return {n: t for n, t in network_tensors(model.network).items() if n in names}


def test_a_training_goes_on_with_the_trained_weights(segmenter, trained, scene):
    image, labels = scene
    segmenter.fit([image, image[::-1]], [labels, labels[::-1]], STILL, start="current")
    assert segmenter.trained is not trained
    assert segmenter.previous is trained
    assert segmenter.trained.provenance["start"] == trained.identity
    assert len(segmenter.history) == 1
    before, after = weights(trained), weights(segmenter.trained)
    assert all(torch.allclose(before[n], after[n], atol=1e-6) for n in before)


def test_what_the_model_has_learned_from_is_said_where_it_is_held_out(segmenter, scene):
    image, labels = scene
    images, masks = [image, image[:, ::-1]], [labels, labels[:, ::-1]]
    about = []
    for validation in (None, "images"):
        config = replace(STILL, validation=validation)
        segmenter.fit(images, masks, config, start="current")
        about.append(segmenter.held_out.about)
    note = "The model that it goes on from has learned from part of it"
    assert [note in text for text in about] == [False, True]


def test_an_added_class_gets_a_row_between_those_of_the_others(scene):
    image, labels = scene
    values = np.array([0, 1, 7], np.uint8)
    old = Segmenter(SMALL, device="cpu").fit(image, values[labels], CONFIG)
    before = weights(old.trained)
    more = values[labels]
    more[:8, :8] = 3
    old.fit(image, more, STILL, start="current")
    assert [c.value for c in old.classes] == [0, 1, 3, 7]
    after = weights(old.trained)
    grown = [n for n in before if before[n].shape != after[n].shape]
    assert grown
    for name in grown:
        assert torch.allclose(before[name], after[name][[0, 1, 3]], atol=1e-6)


OBJECT_METHODS = [
    pytest.param(
        ModelSpec("unet", encoder="mobilenet_v2", objects="boundary"), id="boundary", marks=slow
    ),
    pytest.param(ModelSpec("solo"), id="SOLO"),
    pytest.param(ModelSpec("maskrcnn"), id="Mask R-CNN", marks=slow),
]


@pytest.mark.parametrize("spec", OBJECT_METHODS)
def test_a_class_is_added_to_objects(spec, scene):
    image, labels = scene
    ids = (labels > 0) * np.int32(1)
    ids[:10, :10] = 2
    one, two = np.where(ids > 0, 1, 0), np.where(ids == 2, 2, np.where(ids > 0, 1, 0))
    segmenter = Segmenter(spec, device="cpu").fit(image, ids, OBJECTS, object_classes=one)
    before = weights(segmenter.trained)
    segmenter.fit(image, ids, OBJECTS, object_classes=two, start="current")
    after = weights(segmenter.trained)
    assert [c.value for c in segmenter.classes] == [0, 1, 2]
    for name, old in before.items():
        kept = tuple(slice(0, n) for n in old.shape)  # the added class is the last one
        assert torch.allclose(old, after[name][kept], atol=1e-5), name


def first_class_only(image, labels):
    return image, np.where(labels == 2, 1, labels)


def same(image, labels):
    return image, labels


def colours(image, labels):
    return np.stack([image] * 3, -1), labels


REFUSED = {
    "fewer classes": (SMALL, CONFIG, first_class_only, r"nothing of class 2 \(2\), which the"),
    "encoder": (replace(SMALL, encoder="medium"), CONFIG, same, "encoder small, but .* medium"),
    "method": (ModelSpec("unet"), CONFIG, same, "of name segresnet, but name is now unet"),
    "normalisation": (
        SMALL,
        replace(CONFIG, normalise="none"),
        same,
        "normalise image, but .* none",
    ),
    "channels": (SMALL, CONFIG, colours, "image has 3 channels, and the model was trained on 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_suit_the_model_is_refused(case, segmenter, trained, scene):
    spec, config, change, message = REFUSED[case]
    segmenter.spec = spec
    with pytest.raises(ValueError, match=message) as error:
        segmenter.fit(*change(*scene), config, start="current")
    assert "or train without start" in str(error.value)
    assert segmenter.trained is trained


def test_other_pixel_sizes_are_refused(scene):
    image, labels = scene
    known = AxesImage(image, "YX", (1.0, 0.5, 0.5))
    segmenter = Segmenter(SMALL, device="cpu").fit(known, labels, STILL)
    with pytest.raises(ValueError, match=r"image has pixels of 3 x 3 .* trained on 0.5 x 0.5"):
        segmenter.fit(replace(known, spacing=(1.0, 3.0, 3.0)), labels, STILL, start="current")


def test_there_must_be_a_model_to_start_from(segmenter, scene, tmp_path):
    with pytest.raises(ValueError, match="not trained yet"):
        Segmenter(SMALL).fit(*scene, start="current")
    with pytest.raises(ValueError, match="start is 'best': choose 'current' or None"):
        segmenter.fit(*scene, start="best")
    with pytest.raises(ValueError, match="start and resume were both given"):
        segmenter.fit(*scene, CONFIG, start="current", resume=tmp_path / "a.state")


def test_statistics_of_the_training_stay_those_of_the_model(scene):
    image, labels = scene
    config = replace(STILL, normalise="training")
    segmenter = Segmenter(SMALL, device="cpu").fit(image, labels, config)
    statistics = segmenter.trained.statistics
    segmenter.fit(image * 0.5, labels, config, start="current")
    assert segmenter.trained.statistics == statistics


def test_the_pixel_classifier_is_trained_anew_and_says_so(scene):
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu").fit(*scene, CONFIG)
    anew = segmenter.history
    with pytest.warns(UserWarning, match="pixel classifier is trained anew"):
        segmenter.fit(*scene, CONFIG, start="current")
    assert segmenter.history == anew
