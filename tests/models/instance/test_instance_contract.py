"""Behaviour of every way to predict objects, from training to a saved model."""

import gc
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from napari_segkit import (
    ModelSpec,
    ObjectConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    evaluate,
    list_models,
)

INSTANCE = [ModelSpec(info.name) for info in list_models() if info.kind == "instance"]
SEMANTIC = [ModelSpec("unet", objects="boundary"), ModelSpec("pixels", objects="components")]
SEMANTIC_3D = [
    ModelSpec("pixels", objects="distance", dims="3D"),
    ModelSpec("unet3d", objects="boundary"),
]
SPECS = [
    *(pytest.param(spec, id=spec.name) for spec in [*INSTANCE, *SEMANTIC]),
    *(pytest.param(spec, id=f"{spec.name}-3D", marks=pytest.mark.slow) for spec in SEMANTIC_3D),
]
QUICK = TrainConfig(
    epochs=1,
    steps_per_epoch=6,
    batch_size=2,
    learning_rate=3e-3,
    tile=TileConfig(64, 0),
    validation=None,
)


def is_volume(spec):
    return spec.name == "unet3d" or spec.dims == "3D"


def scene(volume=False):
    """Bright balls in noise, of two sizes, and the number of each."""
    shape = (16, 64, 64) if volume else (64, 64)
    ids, number = np.zeros(shape, np.int32), 0
    positions = np.indices(shape)
    for y in range(8, 64, 16):
        for x in range(8, 64, 16):
            number += 1
            centre = np.array([8, y, x][-len(shape) :]).reshape(-1, *(1,) * len(shape))
            ids[((positions - centre) ** 2).sum(axis=0) < (30 if number % 2 else 45)] = number
    image = np.random.default_rng(0).normal(50, 8, shape) + 100 * (ids > 0)
    return image.astype(np.float32), ids


@pytest.fixture(scope="module", params=SPECS)
def trained(request):
    """One method after a short training, with its image and instance ids."""
    image, ids = scene(volume := is_volume(request.param))
    config = replace(QUICK, steps_per_epoch=3) if volume else QUICK
    return Segmenter(request.param, device="cpu").fit(image, ids, config), image, ids


def test_labels_and_table_have_the_same_objects(trained):
    segmenter, image, _ = trained
    objects = segmenter.predict_objects(image, objects=ObjectConfig(score=0))
    assert objects.labels.shape == image.shape
    assert objects.labels.dtype == np.int32
    assert objects.table["index"].tolist() == np.unique(objects.labels[objects.labels > 0]).tolist()
    assert len(objects) > 0
    assert objects.table["score"].between(0, 1).all()
    assert set(objects.table["class"]) == {"object"}
    assert [c.name for c in segmenter.classes] == ["background", "object"]


def test_probabilities_add_up_to_one(trained):
    segmenter, image, _ = trained
    maps = segmenter.predict_proba(image)
    assert maps.shape == (2, *image.shape)
    np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-4)


def test_a_saved_model_finds_the_same_objects(trained, tmp_path):
    segmenter, image, _ = trained
    segmenter.save(tmp_path / "model.segkit")
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cpu")
    config = ObjectConfig(score=0)
    one, other = (s.predict_objects(image, objects=config) for s in (segmenter, loaded))
    assert len(one) > 0
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.table["score"], other.table["score"])
    maps = (s.predict_proba(image) for s in (segmenter, loaded))
    np.testing.assert_array_equal(*maps)
    assert loaded.trained.object_size == segmenter.trained.object_size


def test_odd_sizes_and_several_tiles_are_predicted_in_full(trained):
    segmenter, image, _ = trained
    wide = np.concatenate([image, image], axis=-1)[..., :-9, :-3]
    assert segmenter.predict(wide).shape == wide.shape


def test_closing_a_training_leaves_a_model_that_predicts(trained):
    segmenter, image, ids = trained
    again = Segmenter(segmenter.spec, device="cpu")
    steps = again.train_epochs(image, ids, QUICK)
    next(step for step in steps if hasattr(step, "loss"))
    steps.close()
    assert len(again.history) == 1
    assert again.predict(image).shape == image.shape


def test_an_image_with_other_channels_is_refused(trained):
    segmenter, image, _ = trained
    with pytest.raises(ValueError, match=r"takes 1 channel, .* has 3 channels"):
        segmenter.predict(
            np.stack([image, image, image[::-1]], -1), axes=segmenter.trained.axes + "C"
        )


@pytest.mark.parametrize(
    "spec",
    [SEMANTIC[1], pytest.param(SEMANTIC_3D[0], marks=pytest.mark.slow)],
    ids=lambda s: s.objects,
)
def test_the_pixel_classifier_finds_the_objects(spec):
    image, ids = scene(is_volume(spec))
    segmenter = Segmenter(spec, device="cpu").fit(image, ids)
    assert evaluate(segmenter.predict(image), ids, kind="instance").f1[0.5] > 0.9


def test_distances_are_in_world_units():
    """Touching balls in few thick sections: with distances in pixels, half of them merge."""
    positions = np.indices((8, 64, 64)) * np.reshape([3, 1, 1], (3, 1, 1, 1))
    ids, centres = np.zeros(positions.shape[1:], np.int32), product((16, 40), (16, 25, 40, 49))
    for number, (y, x) in enumerate(centres, 1):
        centre = np.reshape([10.5, y, x], (3, 1, 1, 1))
        ids[(((positions - centre) ** 2).sum(axis=0) < 49) & (ids == 0)] = number
    image = np.random.default_rng(0).normal(50, 8, ids.shape) + 100 * (ids > 0)
    segmenter = Segmenter(ModelSpec("pixels", objects="distance", dims="3D"), device="cpu")
    segmenter.fit(image, ids, spacing=(3, 1, 1))
    objects = segmenter.predict_objects(image, spacing=(3, 1, 1))
    assert evaluate(objects.labels, ids, kind="instance").f1[0.5] > 0.9


@pytest.mark.parametrize("spec", INSTANCE, ids=lambda s: s.name)
def test_channels_classes_regions_and_empty_patches(spec):
    """Two channels, two classes, an annotated region and no object in most of the image."""
    image, ids = scene()
    ids[:, 32:] = 0
    classes = np.where(ids % 2, 3, 5)
    region = np.zeros(ids.shape, bool)
    region[:, :48] = True
    segmenter = Segmenter(spec, device="cpu")
    config = replace(QUICK, steps_per_epoch=2)
    segmenter.fit(
        np.stack([image, image]), ids, config, axes="CYX", object_classes=classes, regions=region
    )
    assert [c.value for c in segmenter.classes] == [0, 3, 5]
    assert segmenter.predict(np.stack([image, image])).shape == image.shape


@pytest.mark.slow
@pytest.mark.parametrize("spec", [*INSTANCE, SEMANTIC[0], SEMANTIC_3D[1]], ids=lambda s: s.name)
def test_training_on_one_image_finds_its_objects(spec):
    image, ids = scene(is_volume(spec))
    config = replace(QUICK, epochs=30, learning_rate=1e-3)
    segmenter = Segmenter(spec, device="cpu").fit(image, ids, config)
    assert evaluate(segmenter.predict(image), ids, kind="instance").f1[0.5] > 0.95


@pytest.mark.parametrize("name", [s.name for s in INSTANCE])
def test_an_instance_method_refuses_the_objects_option(name):
    with pytest.raises(ValueError, match="is an instance method"):
        Segmenter(ModelSpec(name, objects="boundary"))


def test_a_semantic_model_gives_no_objects():
    image, ids = scene()
    segmenter = Segmenter(ModelSpec("pixels"), device="cpu")
    segmenter.fit(image, ids, TrainConfig(labels_are="objects", unlabelled=None))
    with pytest.raises(ValueError, match=r"classes only.*objects='distance'"):
        segmenter.predict_objects(image)
    with pytest.raises(ValueError, match="regions can be used only with objects"):
        segmenter.fit(image, ids, regions=np.ones(image.shape))


@pytest.mark.gpu
def test_a_gpu_finds_the_cpus_objects_and_frees_its_memory(trained, tmp_path, monkeypatch):
    segmenter, image, ids = trained
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        monkeypatch.setattr(backend, "allow_tf32", False)
    segmenter.save(tmp_path / "model.segkit")
    Segmenter(segmenter.spec, device="cuda").fit(image, ids, QUICK)  # libraries keep memory
    gc.collect()
    before = torch.cuda.memory_allocated()
    loaded = Segmenter.load(tmp_path / "model.segkit", device="cuda")
    config = ObjectConfig(score=0.2)
    one, other = (s.predict_objects(image, objects=config).labels for s in (segmenter, loaded))
    assert ((one > 0) == (other > 0)).mean() > 0.999
    Segmenter(segmenter.spec, device="cuda").fit(image, ids, QUICK)
    del loaded
    gc.collect()
    assert torch.cuda.memory_allocated() <= before
