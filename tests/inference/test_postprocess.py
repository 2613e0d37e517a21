"""Predictions refined on their way to labels, by the model's own recipe or another."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.data import coins
from skimage.measure import label

from napari_segkit import (
    CleanConfig,
    FeatureConfig,
    ModelSpec,
    MRFConfig,
    ObjectConfig,
    RefineConfig,
    Segmenter,
    SuperpixelConfig,
    TileConfig,
    TrainConfig,
    merge_panoptic,
    refine,
    smooth,
)
from napari_segkit.images.axes_image import AxesImage
from napari_segkit.images.classes import foreground_classes
from napari_segkit.models import Inputs, build
from napari_segkit.refinement.superpixels import generate
from napari_segkit.steps import drain
from napari_segkit.trained_model import TrainedModel

IMAGE = coins()[:120, :140]
TRUTH = (IMAGE > 110) * 3 + 1
RAW = FeatureConfig(intensity=False, edges=False, texture=False, window=1)
LEARNING = TrainConfig(unlabelled=None, labels_are="classes", tile=TileConfig(64, 16))
MRF = MRFConfig(1.0, intensity_sigma=0.2, iterations=4)
RECIPE = RefineConfig("mrf", mrf=MRF, clean=(CleanConfig(4, fill_holes=60, min_size=40),))
SMOOTH = replace(RECIPE, clean=())
NOTHING = RefineConfig()


def trained(**spec):
    return Segmenter(ModelSpec("pixels", features=RAW, **spec), device="cpu")


@pytest.fixture(scope="module")
def learned():
    return trained(dims="2D").fit(IMAGE, TRUTH, LEARNING)


@pytest.fixture
def segmenter(learned):
    """A copy that a test may change."""
    copy = Segmenter(learned.spec, device="cpu")
    copy.trained = learned.trained
    return copy


def test_a_prediction_is_refined_as_its_probabilities_are(segmenter):
    raw = segmenter.predict_proba(IMAGE)
    expected = refine(raw, IMAGE, RECIPE, values=(1, 4))
    assert (expected != segmenter.predict(IMAGE)).any()
    np.testing.assert_array_equal(segmenter.predict(IMAGE, refine=RECIPE), expected)
    smoothed = segmenter.predict_proba(IMAGE, refine=RECIPE)
    np.testing.assert_allclose(smoothed, smooth(raw, IMAGE, MRF), atol=1e-6)


def test_the_models_own_recipe_counts_unless_another_is_given(segmenter, tmp_path):
    raw = segmenter.predict(IMAGE)
    expected = segmenter.predict(IMAGE, refine=RECIPE)
    assert segmenter.refine == NOTHING
    segmenter.refine = RECIPE
    np.testing.assert_array_equal(segmenter.predict(IMAGE), expected)
    np.testing.assert_array_equal(segmenter.predict(IMAGE, refine=NOTHING), raw)
    segmenter.save(tmp_path / "a.segkit")
    loaded = Segmenter.load(tmp_path / "a.segkit", device="cpu")
    assert loaded.refine == RECIPE
    np.testing.assert_array_equal(loaded.predict(IMAGE), expected)


def test_a_stack_is_refined_slice_by_slice_with_the_stacks_numbers(segmenter):
    stack = np.stack([IMAGE, IMAGE[::-1] // 2, IMAGE[:, ::-1]])
    raw = segmenter.predict_proba(stack)
    expected = refine(raw, stack, RECIPE, values=(1, 4), axes="TYX")
    np.testing.assert_array_equal(segmenter.predict(stack, refine=RECIPE), expected)
    numbers = segmenter.measure(stack)
    steps = segmenter.predict_tiles(stack[1], statistics=numbers, refine=RECIPE)
    found = drain(steps)
    np.testing.assert_array_equal(found.labels, expected[1])


@pytest.mark.parametrize("shape", [(4, 40, 50), (1, 40, 50)])
def test_a_volume_is_refined_as_a_volume(shape):
    volume = np.resize(IMAGE, (4, 40, 50))[: shape[0]].astype(np.uint16)
    three = trained(dims="3D").fit(
        np.resize(IMAGE, (4, 40, 50)), np.resize(TRUTH, (4, 40, 50)), LEARNING
    )
    where = {"axes": "ZYX", "spacing": (3.0, 1.0, 1.0)}
    raw = three.predict_proba(volume, **where)
    expected = refine(raw, volume, RECIPE, values=(1, 4), **where)
    np.testing.assert_array_equal(three.predict(volume, refine=RECIPE, **where), expected)


def test_any_order_of_axes_is_refined_alike(segmenter):
    stack = np.stack([IMAGE, IMAGE[::-1]])
    expected = segmenter.predict(stack, refine=RECIPE, axes="ZYX")
    moved = segmenter.predict(stack.transpose(2, 0, 1), refine=RECIPE, axes="XZY")
    np.testing.assert_array_equal(moved.transpose(1, 2, 0), expected)


def test_the_result_says_how_it_was_refined(segmenter):
    made = drain(segmenter.predict_tiles(IMAGE, refine=RECIPE)).provenance["refine"]
    assert json.loads(json.dumps(made)) == made
    assert (made["method"], made["mrf"]["weight"]) == ("mrf", 1.0)
    assert made["clean"][0]["min_size"] == 40
    assert len(made["intensities"]["low"]) == 1
    assert drain(segmenter.predict_tiles(IMAGE)).provenance["refine"] is None


def test_progress_counts_the_blocks(segmenter):
    stack = np.stack([IMAGE, IMAGE])
    plain, refined = (list(segmenter.predict_tiles(stack, refine=r)) for r in (NOTHING, RECIPE))
    assert refined[-1].done == refined[-1].total == plain[-1].total + 2


def test_it_stays_when_the_model_learns_on_and_goes_with_its_classes(segmenter):
    segmenter.refine = RECIPE
    segmenter.fit(IMAGE, TRUTH, LEARNING)
    assert segmenter.refine == RECIPE
    segmenter.fit(IMAGE, TRUTH + 1, LEARNING)
    assert segmenter.refine == NOTHING
    segmenter.restore()
    assert segmenter.refine == RECIPE


@pytest.mark.parametrize("value", [0, 7])
def test_a_class_that_is_not_there_is_refused(segmenter, value):
    wrong = RefineConfig(clean=(CleanConfig(value),))
    with pytest.raises(ValueError, match=rf"no class {value}; choose among class 1, class 4"):
        next(segmenter.predict_tiles(IMAGE, refine=wrong))
    with pytest.raises(ValueError, match=rf"no class {value}"):
        segmenter.refine = wrong
    assert segmenter.refine == NOTHING
    with pytest.raises(ValueError, match="invalid clean-up"):
        replace(segmenter.trained, refine=wrong)


def test_what_cannot_be_smoothed_so_is_refused_before_tiles_are_predicted():
    three = trained(dims="3D").fit(
        np.resize(IMAGE, (4, 40, 50)), np.resize(TRUTH, (4, 40, 50)), LEARNING
    )
    flat = RefineConfig("superpixels", superpixels=SuperpixelConfig("quickshift"))
    with pytest.raises(ValueError, match="quickshift"):
        next(three.predict_tiles(np.resize(IMAGE, (4, 40, 50)), refine=flat))


@pytest.mark.parametrize("method", ["crf", "mrf", "superpixels"])
@pytest.mark.parametrize("normalise", ["training", "none"])
def test_an_image_without_contrast_is_refined_too(method, normalise):
    """One blank field of a series: the model predicts on it, whatever the recipe looks at."""
    config = replace(LEARNING, normalise=normalise)
    one = trained(dims="2D").fit(IMAGE, TRUTH, config)
    blank = np.full((40, 50), 90, np.uint8)
    raw = one.predict(blank)
    steps = one.predict_tiles(blank, refine=replace(RECIPE, method=method, clean=()))
    found = drain(steps)
    np.testing.assert_array_equal(found.labels, raw)
    assert found.provenance["refine"]["intensities"] == {"low": [90.0], "high": [91.0]}
    with pytest.raises(ValueError, match="constant"):
        smooth(one.predict_proba(blank), blank, MRF)


def test_progress_counts_the_tiles_of_superpixels(segmenter, monkeypatch):
    monkeypatch.setattr(generate, "MAX_TILE", 3000)
    recipe = RefineConfig("superpixels")
    plain, refined = (list(segmenter.predict_tiles(IMAGE, refine=r)) for r in (NOTHING, recipe))
    assert refined[-1].done == refined[-1].total > plain[-1].total + 4


def test_an_untrained_model_has_no_recipe():
    segmenter = Segmenter()
    assert segmenter.refine == NOTHING
    with pytest.raises(ValueError, match="not trained yet"):
        segmenter.refine = RECIPE


@pytest.fixture(scope="module")
def parted():
    """A model of objects from levels."""
    config = replace(LEARNING, labels_are="objects")
    return trained(objects="components").fit(IMAGE, label(IMAGE > 110), config)


def test_objects_are_found_in_the_smoothed_classes(parted):
    raw = parted.predict_proba(IMAGE)
    smoothed = parted.predict_proba(IMAGE, refine=SMOOTH)
    np.testing.assert_allclose(smoothed, smooth(raw, IMAGE, MRF), atol=1e-5)
    before, after = (
        parted.predict_objects(IMAGE, objects=ObjectConfig(score=0), refine=r)
        for r in (NOTHING, SMOOTH)
    )
    assert len(after)
    assert (after.labels != before.labels).any()


def test_objects_are_not_tidied_as_classes(parted):
    wrong = RefineConfig(clean=(CleanConfig(1),))
    with pytest.raises(ValueError, match=r"'object' cannot be cleaned up, because .* ObjectConfig"):
        parted.predict(IMAGE, refine=wrong)
    with pytest.raises(ValueError, match="invalid clean-up"):
        replace(parted.trained, refine=wrong)


def test_a_merged_model_refines_each_part_by_its_own_recipe(segmenter, parted, tmp_path):
    segmenter.refine = RECIPE
    merged = merge_panoptic(segmenter, parted, stuff=[1, 4])
    names = {c.value: c.name for c in merged.classes}
    assert names == {0: "background", 1: "object", 4: "class 4", 2: "class 1"}
    assert merged.refine == replace(NOTHING, clean=RECIPE.clean)
    own = merged.predict_proba(IMAGE)
    merged.save(tmp_path / "a.segkit")
    loaded = Segmenter.load(tmp_path / "a.segkit", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(IMAGE), own)
    things = parted.predict_proba(IMAGE)
    stuff = segmenter.predict_proba(IMAGE)
    np.testing.assert_allclose(own[2:], stuff * things[:1], atol=1e-6)
    steps = list(merged.predict_tiles(IMAGE))
    assert steps[-1].done == steps[-1].total


def test_another_recipe_for_a_merged_model_smooths_both(segmenter, parted):
    merged = merge_panoptic(segmenter, parted, stuff=[1, 4])
    wanted = RefineConfig("mrf", mrf=MRF, clean=(CleanConfig(2, min_size=40),))
    merged.refine = wanted
    assert merged.refine == wanted
    assert merged.trained.refine == SMOOTH
    assert merged.trained.stuff.refine == replace(SMOOTH, clean=(CleanConfig(1, min_size=40),))
    with pytest.raises(ValueError, match="'object' cannot be cleaned up"):
        merged.refine = RefineConfig(clean=(CleanConfig(1),))
    found = drain(merged.predict_tiles(IMAGE, refine=NOTHING)).provenance
    assert found["refine"] is None
    assert found["stuff"]["refine"] is None


def test_soft_masks_are_smoothed_one_by_one():
    spec, inputs = ModelSpec("maskrcnn", encoder="resnet18"), Inputs(1, 2, (1.0, 1.0))
    network = build(spec, inputs)
    network.set_sizes(np.full((5, 2), 28.0))
    segmenter = Segmenter(spec, device="cpu")
    segmenter.trained = TrainedModel(
        network.eval(),
        spec,
        TrainConfig(),
        classes=foreground_classes((0, 1)),
        channels=1,
        axes="YX",
        spacing=(1.0, 1.0, 1.0),
        tile_size=(64, 96),
        overlap=(32, 32),
    )
    before, after = (
        segmenter.predict_objects(IMAGE[:60, :90], objects=ObjectConfig(score=0), refine=r)
        for r in (NOTHING, SMOOTH)
    )
    (raw,), (refined,) = before.candidates.frames, after.candidates.frames
    assert len(raw) == len(refined) > 0
    np.testing.assert_array_equal(raw.scores, refined.scores)
    assert all(
        m.shape == (b[3] - b[1], b[2] - b[0])
        for m, b in zip(refined.masks, refined.boxes, strict=True)
    )
    assert after.filtered(ObjectConfig(score=0, mask_threshold=0.1)).labels.any()
    steps = list(segmenter.predict_tiles(IMAGE[:60, :90], refine=SMOOTH, probabilities=True))
    assert steps[-1].done == steps[-1].total


def test_a_lying_volume_is_refined_where_it_lies(segmenter):
    """A model that learned on another orientation turns the image, and the result back."""
    turned = replace(segmenter.trained, orientation="SAR")
    segmenter.trained = turned
    stack = np.stack([IMAGE, IMAGE[::-1]])
    flipped = segmenter.predict(AxesImage(stack[:, ::-1], "ZYX", orientation="SPR"), refine=RECIPE)
    straight = segmenter.predict(AxesImage(stack, "ZYX", orientation="SAR"), refine=RECIPE)
    np.testing.assert_array_equal(flipped[:, ::-1], straight)
