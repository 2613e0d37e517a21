"""Predictions are refined with the settings of the model or of the call."""

import json
import weakref
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
from napari_segkit.inference import request
from napari_segkit.models import Inputs, build
from napari_segkit.refinement.superpixels import generate
from napari_segkit.steps import drain
from napari_segkit.trained_model import TrainedModel

IMAGE = coins()[:120, :140]
TRUTH = (IMAGE > 110) * 3 + 1
RAW = FeatureConfig(intensity=False, edges=False, texture=False, window=1)
TRAINING = TrainConfig(unlabelled=None, labels_are="classes", tile=TileConfig(64, 16))
MRF = MRFConfig(1.0, intensity_sigma=0.2, iterations=4)
REFINE = RefineConfig("mrf", mrf=MRF, clean=(CleanConfig(4, fill_holes=60, min_size=40),))
SMOOTH = replace(REFINE, clean=())
NOTHING = RefineConfig()


def trained(**spec):
    return Segmenter(ModelSpec("pixels", features=RAW, **spec), device="cpu")


@pytest.fixture(scope="module")
def learned():
    return trained(dims="2D").fit(IMAGE, TRUTH, TRAINING)


@pytest.fixture
def segmenter(learned):
    """A copy that a test may change."""
    copy = Segmenter(learned.spec, device="cpu")
    copy.trained = learned.trained
    return copy


def test_a_prediction_is_refined_as_its_probabilities_are(segmenter):
    raw = segmenter.predict_proba(IMAGE)
    expected = refine(raw, IMAGE, REFINE, values=(1, 4))
    assert (expected != segmenter.predict(IMAGE)).any()
    np.testing.assert_array_equal(segmenter.predict(IMAGE, refine=REFINE), expected)
    smoothed = segmenter.predict_proba(IMAGE, refine=REFINE)
    np.testing.assert_allclose(smoothed, smooth(raw, IMAGE, MRF), atol=1e-6)


def test_the_refinement_settings_of_the_call_replace_those_of_the_model(segmenter, tmp_path):
    raw = segmenter.predict(IMAGE)
    expected = segmenter.predict(IMAGE, refine=REFINE)
    assert segmenter.refine == NOTHING
    segmenter.refine = REFINE
    np.testing.assert_array_equal(segmenter.predict(IMAGE), expected)
    np.testing.assert_array_equal(segmenter.predict(IMAGE, refine=NOTHING), raw)
    segmenter.save(tmp_path / "a.segkit")
    loaded = Segmenter.load(tmp_path / "a.segkit", device="cpu")
    assert loaded.refine == REFINE
    np.testing.assert_array_equal(loaded.predict(IMAGE), expected)


def test_a_stack_is_refined_slice_by_slice_with_the_stacks_numbers(segmenter):
    stack = np.stack([IMAGE, IMAGE[::-1] // 2, IMAGE[:, ::-1]])
    raw = segmenter.predict_proba(stack)
    expected = refine(raw, stack, REFINE, values=(1, 4), axes="TYX")
    np.testing.assert_array_equal(segmenter.predict(stack, refine=REFINE), expected)
    numbers = segmenter.measure(stack)
    steps = segmenter.predict_tiles(stack[1], statistics=numbers, refine=REFINE)
    found = drain(steps)
    np.testing.assert_array_equal(found.labels, expected[1])


@pytest.mark.filterwarnings("ignore:.*of the contrast of the faintest training image")
@pytest.mark.parametrize("shape", [(4, 40, 50), (1, 40, 50)])
def test_a_volume_is_refined_as_a_volume(shape):
    volume = np.resize(IMAGE, (4, 40, 50))[: shape[0]].astype(np.uint16)
    three = trained(dims="3D").fit(
        np.resize(IMAGE, (4, 40, 50)), np.resize(TRUTH, (4, 40, 50)), TRAINING
    )
    where = {"axes": "ZYX", "spacing": (3.0, 1.0, 1.0)}
    raw = three.predict_proba(volume, **where)
    expected = refine(raw, volume, REFINE, values=(1, 4), **where)
    np.testing.assert_array_equal(three.predict(volume, refine=REFINE, **where), expected)


def test_any_order_of_axes_is_refined_alike(segmenter):
    stack = np.stack([IMAGE, IMAGE[::-1]])
    expected = segmenter.predict(stack, refine=REFINE, axes="ZYX")
    moved = segmenter.predict(stack.transpose(2, 0, 1), refine=REFINE, axes="XZY")
    np.testing.assert_array_equal(moved.transpose(1, 2, 0), expected)


def test_the_result_says_how_it_was_refined(segmenter):
    settings = drain(segmenter.predict_tiles(IMAGE, refine=REFINE)).provenance["refine"]
    assert json.loads(json.dumps(settings)) == settings
    assert (settings["method"], settings["mrf"]["weight"]) == ("mrf", 1.0)
    assert settings["clean"][0]["min_size"] == 40
    assert len(settings["intensities"]["low"]) == 1
    assert drain(segmenter.predict_tiles(IMAGE)).provenance["refine"] is None


def test_progress_counts_the_blocks(segmenter):
    stack = np.stack([IMAGE, IMAGE])
    plain, refined = (list(segmenter.predict_tiles(stack, refine=r)) for r in (NOTHING, REFINE))
    assert refined[-1].done == refined[-1].total == plain[-1].total + 2


def test_settings_stay_in_further_training_and_go_with_their_classes(segmenter):
    segmenter.refine = REFINE
    segmenter.fit(IMAGE, TRUTH, TRAINING)
    assert segmenter.refine == REFINE
    segmenter.fit(IMAGE, TRUTH + 1, TRAINING)
    assert segmenter.refine == NOTHING
    segmenter.restore()
    assert segmenter.refine == REFINE


@pytest.mark.parametrize("value", [0, 7])
def test_an_unknown_class_is_refused(segmenter, value):
    wrong = RefineConfig(clean=(CleanConfig(value),))
    with pytest.raises(ValueError, match=rf"no class {value}; choose among class 1, class 4"):
        next(segmenter.predict_tiles(IMAGE, refine=wrong))
    with pytest.raises(ValueError, match=rf"no class {value}"):
        segmenter.refine = wrong
    assert segmenter.refine == NOTHING
    with pytest.raises(ValueError, match="invalid clean-up"):
        replace(segmenter.trained, refine=wrong)


def test_impossible_settings_are_refused_before_tiles_are_predicted():
    three = trained(dims="3D").fit(
        np.resize(IMAGE, (4, 40, 50)), np.resize(TRUTH, (4, 40, 50)), TRAINING
    )
    flat = RefineConfig("superpixels", superpixels=SuperpixelConfig("quickshift"))
    with pytest.raises(ValueError, match="quickshift"):
        next(three.predict_tiles(np.resize(IMAGE, (4, 40, 50)), refine=flat))


@pytest.mark.parametrize("method", ["crf", "mrf", "superpixels"])
@pytest.mark.parametrize("normalise", ["training", "none"])
def test_an_image_without_contrast_is_refined_too(method, normalise):
    """One blank field of a series: the model predicts on it, whatever the smoothing uses."""
    config = replace(TRAINING, normalise=normalise)
    one = trained(dims="2D").fit(IMAGE, TRUTH, config)
    blank = np.full((40, 50), 90, np.uint8)
    raw = one.predict(blank)
    steps = one.predict_tiles(blank, refine=replace(REFINE, method=method, clean=()))
    found = drain(steps)
    np.testing.assert_array_equal(found.labels, raw)
    assert found.provenance["refine"]["intensities"] == {"low": [90.0], "high": [90.0]}
    with pytest.warns(UserWarning, match="Every pixel of image is the same"):
        smooth(one.predict_proba(blank), blank, MRF)


def test_progress_counts_the_tiles_of_superpixels(segmenter, monkeypatch):
    monkeypatch.setattr(generate, "MAX_TILE", 3000)
    recipe = RefineConfig("superpixels")
    plain, refined = (list(segmenter.predict_tiles(IMAGE, refine=r)) for r in (NOTHING, recipe))
    assert refined[-1].done == refined[-1].total > plain[-1].total + 4


def test_an_untrained_model_has_no_refinement_settings():
    segmenter = Segmenter()
    assert segmenter.refine == NOTHING
    with pytest.raises(ValueError, match="not trained yet"):
        segmenter.refine = REFINE


@pytest.fixture(scope="module")
def object_model():
    """A model that predicts objects with a watershed."""
    config = replace(TRAINING, labels_are="objects")
    return trained(objects="components").fit(IMAGE, label(IMAGE > 110), config)


def test_objects_are_found_in_the_smoothed_classes(object_model):
    raw = object_model.predict_proba(IMAGE)
    smoothed = object_model.predict_proba(IMAGE, refine=SMOOTH)
    np.testing.assert_allclose(smoothed, smooth(raw, IMAGE, MRF), atol=1e-5)
    before, after = (
        object_model.predict_objects(IMAGE, objects=ObjectConfig(score=0), refine=r)
        for r in (NOTHING, SMOOTH)
    )
    assert len(after)
    assert (after.labels != before.labels).any()


def test_classes_of_objects_cannot_be_cleaned_up(object_model):
    wrong = RefineConfig(clean=(CleanConfig(1),))
    with pytest.raises(ValueError, match=r"'object' cannot be cleaned up, because .* ObjectConfig"):
        object_model.predict(IMAGE, refine=wrong)
    with pytest.raises(ValueError, match="invalid clean-up"):
        replace(object_model.trained, refine=wrong)


def test_a_merged_model_refines_each_part_with_its_settings(segmenter, object_model, tmp_path):
    segmenter.refine = REFINE
    merged = merge_panoptic(segmenter, object_model, stuff=[1, 4])
    names = {c.value: c.name for c in merged.classes}
    assert names == {0: "background", 1: "object", 4: "class 4", 2: "class 1"}
    assert merged.refine == replace(NOTHING, clean=REFINE.clean)
    own = merged.predict_proba(IMAGE)
    merged.save(tmp_path / "a.segkit")
    loaded = Segmenter.load(tmp_path / "a.segkit", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(IMAGE), own)
    things = object_model.predict_proba(IMAGE)
    stuff = segmenter.predict_proba(IMAGE)
    np.testing.assert_allclose(own[2:], stuff * things[:1], atol=1e-6)
    steps = list(merged.predict_tiles(IMAGE))
    assert steps[-1].done == steps[-1].total


def test_the_parts_of_a_merged_model_read_the_image_one_after_the_other(
    segmenter, object_model, monkeypatch
):
    planned, make_plan = [], request.make_plan

    def note_plan(*arguments, **options):
        planned.append(weakref.ref(plan := make_plan(*arguments, **options)))
        return plan

    monkeypatch.setattr(request, "make_plan", note_plan)
    merged = merge_panoptic(segmenter, object_model, stuff=[1, 4])
    steps = merged.predict_tiles(IMAGE)
    next(steps)
    assert len(planned) == 1
    while len(planned) < 2:
        next(steps)
    assert planned[0]() is None


def test_new_settings_for_a_merged_model_smooth_both(segmenter, object_model):
    merged = merge_panoptic(segmenter, object_model, stuff=[1, 4])
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


def test_a_reoriented_volume_is_refined_alike(segmenter):
    """The image is reoriented to that of the training, and the result back."""
    turned = replace(segmenter.trained, orientation="SAR")
    segmenter.trained = turned
    stack = np.stack([IMAGE, IMAGE[::-1]])
    flipped = segmenter.predict(AxesImage(stack[:, ::-1], "ZYX", orientation="SPR"), refine=REFINE)
    straight = segmenter.predict(AxesImage(stack, "ZYX", orientation="SAR"), refine=REFINE)
    np.testing.assert_array_equal(flipped[:, ::-1], straight)
