"""Two models merged into one panoptic Segmenter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_segkit import (
    ModelSpec,
    ObjectConfig,
    PredictConfig,
    Segmenter,
    TileConfig,
    TrainConfig,
    merge_panoptic,
)
from napari_segkit.images.intensity import Statistics
from napari_segkit.inference import panoptic
from napari_segkit.steps import drain
from napari_segkit.trained_model import TrainedModel

DENSE = TrainConfig(unlabelled=None, labels_are="classes")


def scene():
    """Bright discs on a ground that is grey on the left and dark on the right."""
    random = np.random.default_rng(0)
    ground = np.where(np.arange(96) < 48, 60.0, 20.0) * np.ones((80, 1))
    ids, number = np.zeros(ground.shape, np.int32), 0
    rows, cols = np.indices(ground.shape)
    for y in range(12, 80, 28):
        for x in range(12, 96, 24):
            number += 1
            ids[(rows - y) ** 2 + (cols - x) ** 2 < 49] = number
    image = np.where(ids > 0, 200.0, ground) + random.normal(0, 4, ground.shape)
    classes = np.where(ids > 0, 3, np.where(cols < 48, 1, 2)).astype(np.uint8)
    return image.astype(np.float32), ids, classes


@pytest.fixture(scope="module")
def models():
    image, ids, classes = scene()
    semantic = Segmenter(ModelSpec("pixels"), device="cpu").fit(image, classes, DENSE)
    instance = Segmenter(ModelSpec("pixels", objects="components"), device="cpu")
    return semantic, instance.fit(image, ids)


def changed(segmenter, **fields):
    other = Segmenter(segmenter.spec, device="cpu")
    other.trained = replace(segmenter.trained, **fields)
    return other


def test_every_object_and_every_ground_is_a_segment(models):
    image, ids, classes = scene()
    merged = merge_panoptic(*models, stuff=[1, 2])
    found = merged.predict_objects(image)
    assert (found.table["kind"] == "thing").sum() == ids.max()
    stuff = found.table[found.table["kind"] == "stuff"]
    assert stuff["class"].tolist() == ["class 1", "class 2"]
    for name, value in (("class 1", 1), ("class 2", 2)):
        segment = int(stuff.loc[stuff["class"] == name, "index"].iloc[0])
        mine, truth = found.labels == segment, classes == value
        assert (mine & truth).sum() / (mine | truth).sum() > 0.95
    assert (found.labels > 0).mean() > 0.99
    np.testing.assert_array_equal(merged.predict(image), found.labels)


def test_one_file_holds_both_models(models, tmp_path):
    image, _, _ = scene()
    merged = merge_panoptic(*models, stuff=[1, 2])
    merged.save(tmp_path / "both.segkit")
    loaded = Segmenter.load(tmp_path / "both.segkit", device="cpu")
    assert [c.name for c in loaded.classes] == ["background", "object", "class 1", "class 2"]
    assert len({c.value for c in loaded.classes}) == 4
    np.testing.assert_array_equal(loaded.predict(image), merged.predict(image))


def test_probabilities_of_all_classes_add_up_to_one(models):
    image, _, classes = scene()
    merged = merge_panoptic(*models, stuff=["class 1", "class 2"])
    maps = merged.predict_proba(image)
    assert maps.shape == (4, *image.shape)
    np.testing.assert_allclose(maps.sum(axis=0), 1, atol=1e-4)
    assert (maps.argmax(axis=0) == np.array([0, 2, 3, 1])[classes]).mean() > 0.98


def test_thresholds_count_for_things_and_stuff(models):
    image, ids, _ = scene()
    found = merge_panoptic(*models, stuff=[1, 2]).predict_objects(image)
    fewer = found.filtered(ObjectConfig(min_size=1000))
    assert set(fewer.table["kind"]) == {"stuff"}
    assert set(found.filtered(ObjectConfig(max_size=10)).table["kind"]) == {"stuff"}
    assert len(found) == ids.max() + 2


def named(segmenter, *names):
    """The same model with other names of classes, in their order."""
    pairs = zip(segmenter.classes, names, strict=True)
    return changed(segmenter, classes=tuple(replace(c, name=n) for c, n in pairs))


def stuff_of(*models, **options):
    merged = merge_panoptic(*models, **options)
    return [c.name for c in merged.classes[len(models[1].classes) :]]


def test_stuff_is_what_is_neither_background_nor_a_thing(models):
    semantic, instance = models
    instance = named(instance, "background", "Cell")
    assert stuff_of(named(semantic, "Background", "sky", "cell"), instance) == ["sky"]
    assert stuff_of(named(semantic, "grass", "sky", "wall"), instance) == ["grass", "sky", "wall"]
    with pytest.raises(
        ValueError, match=r"No stuff class is left .* choose some of background, cell, CELL with"
    ):
        merge_panoptic(named(semantic, "background", "cell", "CELL"), instance)
    with pytest.raises(ValueError, match="No stuff class is left"):
        merge_panoptic(semantic, instance, stuff=[])
    for stuff in (None, ["cell"]):
        with pytest.raises(ValueError, match="no stuff class is left: train"):
            merge_panoptic(named(semantic, "cell", "CELL", "Cell"), instance, stuff=stuff)


def test_stuff_is_named_by_names_values_or_one_name(models):
    semantic = named(models[0], "background", "sky", "grass")
    for stuff in ("sky", ["sky"], ["2"], [2], {2, "sky"}):
        assert stuff_of(semantic, models[1], stuff=stuff) == ["sky"]
    assert stuff_of(semantic, models[1], stuff=("grass", 1)) == ["background", "grass"]
    with pytest.raises(ValueError, match=r"no class 'dog', 7; choose among background, sky, grass"):
        merge_panoptic(semantic, models[1], stuff=["dog", "sky", 7])


def test_a_thing_class_cannot_be_stuff(models):
    semantic = named(models[0], "grass", "sky", "Object")
    for stuff in (["sky", "Object"], [3]):
        with pytest.raises(ValueError, match=r"'Object' cannot be stuff.*among grass, sky\."):
            merge_panoptic(semantic, models[1], stuff=stuff)


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (1, 1)])
def test_models_of_the_wrong_kind_are_refused(models, order):
    with pytest.raises(ValueError, match="model is pixels, which predicts"):
        merge_panoptic(*(models[i] for i in order))


def test_models_of_other_channels_are_refused(models):
    image, _, classes = scene()
    two = Segmenter(ModelSpec("pixels"), device="cpu")
    two.fit(np.stack([image, image]), classes, DENSE, axes="CYX")
    with pytest.raises(ValueError, match="channels 2, the instance model with 1"):
        merge_panoptic(two, models[1])


def test_progress_counts_the_tiles_of_both(models):
    image, _, _ = scene()
    steps = list(merge_panoptic(*models, stuff=[1, 2]).predict_tiles(image))
    assert [s.done for s in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].done == steps[-1].total == 2


def test_results_use_few_bytes_per_pixel(models, monkeypatch):
    image, _, _ = scene()
    monkeypatch.delattr(
        panoptic, "combined_maps"
    )  # probabilities of all classes, which nobody asked for
    found = merge_panoptic(*models, stuff=[1, 2]).predict_objects(image).candidates
    kept = [v for v in vars(found).values() if isinstance(v, np.ndarray)]
    assert sum(v.nbytes for v in kept) == (2 + 1 + 2) * image.size


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("napari_segkit.inference.object_blocks.BLOCK", 2**10)
    monkeypatch.setattr("napari_segkit.inference.zarr_sink.SMALL_CHUNK", 2**10)


@pytest.mark.filterwarnings("ignore:.*begun before")
@pytest.mark.parametrize("region", [None, pytest.param(np.s_[10:70, 20:], marks=pytest.mark.slow)])
def test_a_folder_holds_the_segments_that_memory_would(models, small_blocks, tmp_path, region):
    image, target = scene()[0], tmp_path / "a.zarr"
    merged = merge_panoptic(*models, stuff=[1, 2])
    settings = {
        "tile": TileConfig(tile_size=32, overlap=16),
        "objects": ObjectConfig(score=0.6, min_size=40),
        "config": PredictConfig(uncertainty="entropy"),
        "probabilities": True,
        "region": region,
    }
    expected = drain(merged.predict_tiles(image, **settings))
    begun = merged.predict_tiles(image, **settings, out=target)
    for _ in range(int(0.8 * next(begun).total)):
        next(begun)
    begun.close()
    steps = merged.predict_tiles(image, **settings, out=target)
    assert len(expected.objects) > 8
    found = drain(steps)
    np.testing.assert_array_equal(found.labels[:], expected.labels)
    pd.testing.assert_frame_equal(found.objects.table, expected.objects.table, check_dtype=False)
    np.testing.assert_array_equal(found.probabilities[:], expected.probabilities)
    np.testing.assert_array_equal(found.uncertainty[:], expected.uncertainty)
    assert found.provenance == expected.provenance
    written = pd.read_csv(tmp_path / "a.csv")
    assert set(written["kind"]) == {"thing", "stuff"}


def test_each_model_resamples_the_image_once(models, monkeypatch):
    image, _, _ = scene()
    asked, before = [], TrainedModel.resample_image
    monkeypatch.setattr(
        TrainedModel,
        "resample_image",
        lambda model, image, **options: asked.append(model) or before(model, image, **options),
    )
    merged = merge_panoptic(*models, stuff=[1, 2])
    merged.trained = replace(merged.trained, config=replace(DENSE, voxel_size=2.0))
    steps = list(merged.predict_tiles(image))
    assert len(asked) == 2
    assert steps[-1].done == steps[-1].total


@pytest.mark.parametrize(
    ("fields", "shared"),
    [
        ({}, True),
        ({"nonzero": True}, False),
        ({"config": replace(DENSE, normalise="training")}, False),
        ({"config": replace(DENSE, normalise="none")}, False),
    ],
)
def test_given_statistics_are_shared_only_if_both_models_measure_them_alike(models, fields, shared):
    image, _, _ = scene()
    semantic, instance = models
    merged = merge_panoptic(changed(semantic, **fields), instance, stuff=[1, 2])
    steps = merged.predict_tiles(image, statistics=Statistics((7.0,), (300.0,)))
    numbers = drain(steps).provenance["stuff"]["normalise"]
    assert (numbers["low"] == [7.0]) == shared


def test_statistics_of_a_training_are_not_shared(models):
    image, _, _ = scene()
    config, own = replace(DENSE, normalise="training"), Statistics((1.0,), (201.0,))
    semantic, instance = (changed(m, config=config, statistics=own) for m in models)
    merged = merge_panoptic(semantic, instance, stuff=[1, 2])
    steps = merged.predict_tiles(image, statistics=Statistics((7.0,), (300.0,)))
    assert drain(steps).provenance["stuff"]["normalise"]["low"] == [1.0]
