"""Comparisons give the figures of `evaluate`, on pixels that no model has seen, and one page."""

from html.parser import HTMLParser
from itertools import product

import numpy as np
import pytest
import tifffile

from napari_segkit import (
    EvaluateConfig,
    ModelSpec,
    RefineConfig,
    TrainingRow,
    TrainingSet,
    compare,
    evaluate,
)
from napari_segkit.comparison.compare import comparisons
from napari_segkit.comparison.evaluate_entry import PredictedStep
from napari_segkit.comparison.paired_tests import holm, paired_test
from napari_segkit.images.axes_image import as_image
from napari_segkit.images.classes import LabelClass
from napari_segkit.images.fingerprint import fingerprint
from napari_segkit.images.run_lengths import to_runs
from napari_segkit.steps import Finish

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 100, (48, 56)).astype(np.float32) for _ in range(5)]
TRUTHS = [(image > 50).astype(np.uint8) + 1 for image in IMAGES]


def noisy(part, seed=1):
    """The truths with a part of the pixels drawn anew."""
    rng = np.random.default_rng(seed)
    drawn = [rng.random(t.shape) < part * (n + 1) for n, t in enumerate(TRUTHS)]
    return [np.where(d, rng.integers(1, 3, d.shape), t) for d, t in zip(drawn, TRUTHS, strict=True)]


GOOD, BAD = noisy(0.02), noisy(0.1)


def test_predictions_get_the_figures_of_evaluate():
    comparison = compare({"bad": BAD, "good": GOOD}, TRUTHS)
    for name, prediction in (("bad", BAD), ("good", GOOD)):
        expected = evaluate(prediction, TRUTHS)
        assert comparison.reports[name].iou == expected.iou
        row = comparison.table().set_index("model").loc[name]
        assert row["mean_iou"] == expected.mean_iou
        assert row["accuracy"] == expected.accuracy
        each = [evaluate(*pair).mean_iou for pair in zip(prediction, TRUTHS, strict=True)]
        assert row["mean_iou_mean"] == pytest.approx(np.mean(each))
        assert row["mean_iou_low"] <= np.mean(each) <= row["mean_iou_high"]
        assert row["n"] == len(IMAGES)
    assert comparison.best == "good"


def test_paired_tests_are_those_of_all_signs():
    comparison = compare({"bad": BAD, "good": GOOD}, TRUTHS)
    values = [list(comparison.values(name, "mean_iou").values()) for name in ("good", "bad")]
    difference = np.subtract(*values)
    flipped = [np.mean(difference * signs) for signs in product([1, -1], repeat=len(difference))]
    p = np.mean(np.abs(flipped) >= abs(difference.mean()) - 1e-12)
    (test,) = comparison.tests().to_dict("records")
    assert test["p"] == pytest.approx(p)
    assert test["difference"] == pytest.approx(-difference.mean())
    assert comparison.table().set_index("model").loc["bad", "p"] == pytest.approx(p)


def test_what_is_undefined_is_left_out_of_a_test():
    test = paired_test([0.5, np.nan, 0.7], [0.4, 0.9, 0.6])
    assert test.n == 2
    assert test.difference == pytest.approx(0.1)
    assert np.isnan(paired_test([0.5], [0.4]).p)


def test_p_values_are_adjusted_for_their_number():
    assert holm([0.01, 0.04, 0.03, np.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, np.nan], nan_ok=True
    )


def test_groups_are_the_units(require_sentence):
    groups = ["a", "a", "b", "b", "b"]
    comparison = compare([GOOD, BAD], TRUTHS, groups=groups)
    assert list(comparison.values("prediction 1", "accuracy")) == ["a", "b"]
    pooled = evaluate(GOOD[:2], TRUTHS[:2]).accuracy
    assert comparison.values("prediction 1", "accuracy")["a"] == pooled
    assert "2 groups" in comparison.summary()
    with pytest.raises(ValueError, match="groups") as error:
        compare([GOOD], TRUTHS, groups=["a"])
    require_sentence(str(error.value), "5 images")


def test_models_predict_and_tell_their_cost(threshold):
    comparison = compare({"at 50": threshold(50), "at 20": threshold(20)}, TRUTHS, IMAGES)
    assert comparison.reports["at 50"].accuracy == 1
    expected = evaluate([(image > 20) + 1 for image in IMAGES], TRUTHS)
    assert comparison.reports["at 20"].iou == expected.iou
    assert comparison.reports["at 20"].names == {1: "dark", 2: "light"}
    cost = comparison.costs["at 20"]
    assert cost.seconds_per_megapixel > 0
    assert cost.parameters == 1
    assert np.isnan(cost.file_mb)


def test_objects_count_as_their_classes_pixel_by_pixel(threshold):
    classes = (LabelClass(0, "background", "#000000"), LabelClass(1, "cell", "#405060"))
    image = np.zeros((48, 64), np.float32)
    image[4:20, 4:20] = image[24:40, 30:60] = 2
    spec = ModelSpec(objects="components")
    compared = {
        "objects": threshold(1, classes=classes, spec=spec, object_size=16.0),
        "classes": threshold(1, classes=classes),
    }
    truth = image.astype(np.uint8) // 2
    comparison = compare(compared, truth, image)
    assert [report.mean_iou for report in comparison.reports.values()] == [1, 1]
    assert comparison.reports["objects"].names == {0: "background", 1: "cell"}
    alone = evaluate(compared["objects"].predict_objects(image), truth)
    assert alone.iou == {0: 1, 1: 1}
    assert alone.names == {0: "background", 1: "cell"}


def test_finish_keeps_what_is_complete_and_compares_no_part(threshold, require_sentence):
    images, truths = [np.tile(i, (4, 4)) for i in IMAGES], [np.tile(t, (4, 4)) for t in TRUTHS]
    compared = {"a": threshold(50), "b": threshold(50)}
    steps = comparisons(compared, truths, images)
    while not (isinstance(step := next(steps), PredictedStep) and step.name == "b"):
        pass
    with pytest.raises(StopIteration) as end:
        steps.send(Finish())
    comparison = end.value.value
    assert [list(v.predictions) for v in comparison.views] == [["a"]] * 4
    assert comparison.reports["a"].accuracy == 1
    assert "Ended early, without b." in comparison.notes
    steps = comparisons(compared, truths, images)
    next(step for step in steps if step.text.startswith("a"))
    with pytest.raises(ValueError, match="Nothing was compared") as error:
        steps.send(Finish())
    require_sentence(str(error.value), "ended")


def test_each_model_is_compared_with_and_without_refinement(threshold):
    comparison = compare({"a": threshold(50)}, TRUTHS[0], IMAGES[0], refine=RefineConfig("mrf"))
    assert list(comparison.reports) == ["a", "a + mrf"]
    assert comparison.reports["a"].accuracy == 1 > comparison.reports["a + mrf"].accuracy


def record(image, trained, held_out=()):
    return {
        "fingerprint": fingerprint(as_image(image)),
        "axes": "YX",
        "shape": list(image.shape),
        "trained": to_runs(trained, 1000),
        "held_out": held_out if not len(held_out) else to_runs(held_out, 1000),
    }


def test_pixels_that_a_model_has_seen_count_for_none(threshold):
    seen = np.zeros(IMAGES[0].shape, bool)
    seen[:, :20] = True
    other = np.zeros_like(seen)
    other[30:] = True
    models = [
        threshold(20, provenance={"trained_on": [record(IMAGES[0], mask)]})
        for mask in (seen, other)
    ]
    comparison = compare(dict(zip("ab", models, strict=True)), TRUTHS[0], IMAGES[0])
    left = ~(seen | other)
    for report in comparison.reports.values():
        assert report.pixels == left.sum()
    truth = np.where(left, TRUTHS[0], 0)
    expected = evaluate((IMAGES[0] > 20) + 1, truth, unlabelled=0)
    assert comparison.reports["a"].iou == expected.iou
    assert any("left out" in note for note in comparison.notes)
    assert not any("not recorded" in note for note in comparison.notes)
    notes = compare({"c": threshold(20)}, TRUTHS[0], IMAGES[0]).notes
    assert any("it is not recorded what c learned" in note for note in notes)


def test_what_was_held_out_counts_only_if_little_else_is_left(threshold):
    left = np.zeros(IMAGES[0].shape, bool)
    left[:, :20] = True
    model = threshold(20, provenance={"trained_on": [record(IMAGES[0], ~left, left)]})
    comparison = compare([model], TRUTHS[0], IMAGES[0])
    (report,) = comparison.reports.values()
    assert report.pixels == left.sum()
    assert any("chosen by it" in note for note in comparison.notes)
    comparison = compare([model], TRUTHS[:2], IMAGES[:2])
    (report,) = comparison.reports.values()
    assert report.pixels == TRUTHS[1].size


def test_seen_images_are_refused(threshold, require_sentence):
    everything = np.ones(IMAGES[0].shape, bool)
    model = threshold(20, provenance={"trained_on": [record(IMAGES[0], everything)]})
    with pytest.raises(ValueError, match="Nothing is left") as error:
        compare([model], TRUTHS[0], IMAGES[0])
    require_sentence(str(error.value), "other images")


def test_a_training_set_is_compared_on_whatever_its_roles(threshold):
    rows = [
        TrainingRow(image, truth, role=role, group=group, name=f"{role}.tif")
        for image, truth, role, group in zip(
            IMAGES, TRUTHS, ("train", "validate", "leave out"), "aab", strict=False
        )
    ]
    comparison = compare([threshold(50)], TrainingSet(rows))
    (report,) = comparison.reports.values()
    assert list(report.images) == ["train.tif", "validate.tif", "leave out.tif"]
    assert list(report.groups) == ["a", "b"]


@pytest.fixture
def folders(tmp_path):
    for name, arrays in (("truth", TRUTHS), ("good", GOOD), ("bad", BAD), ("images", IMAGES)):
        (tmp_path / name).mkdir()
        for number, array in enumerate(arrays):
            tifffile.imwrite(tmp_path / name / f"{number}.tif", array)
    return tmp_path


def test_files_are_paired_by_their_names(folders):
    named = [folders / "good", folders / "bad"]
    comparison = compare(named, folders / "truth", folders / "images")
    assert list(comparison.reports) == ["good", "bad"]
    assert comparison.reports["bad"].iou == evaluate(BAD, TRUTHS).iou
    assert comparison.reports["bad"].iou == compare(named, folders / "truth").reports["bad"].iou
    script = comparison.repeat.script
    assert repr(str(folders / "good")) in script
    compile(script, "script", "exec")
    (folders / "bad/3.tif").unlink()
    with pytest.raises(ValueError, match=r"no prediction for 1 of 5 truths: 3\.tif"):
        compare(named, folders / "truth", folders / "images")


class Page(HTMLParser):
    """Collects what a page loads and says."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.loaded += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_no_other_file(tmp_path, threshold):
    compared = {"<b>bold</b>": threshold(20), "good": GOOD}
    comparison = compare(compared, TRUTHS, IMAGES)
    file = comparison.to_html(tmp_path / "page.html")
    page = Page(file.read_text())
    assert "<b>bold</b>" in page.text
    assert len(page.loaded) == 4 * 4  # four images, each as it is, its truth, two predictions
    assert all(source.startswith("data:image/png;base64,") for source in page.loaded)
    assert "napari-segkit 0." in page.text
    with pytest.raises(ValueError, match="exists already"):
        comparison.to_html(file)


def test_the_view_is_the_same_under_each(threshold):
    volume, truth = np.stack(IMAGES), np.stack(TRUTHS)
    truth[[0, 1, 3, 4]] = 0
    predictions = {"good": np.stack(GOOD), "bad": np.stack(BAD)}
    (view,) = compare(predictions, truth, volume, EvaluateConfig(unlabelled=0)).views
    assert (view.truth == TRUTHS[2]).all()
    assert (view.predictions["bad"] == BAD[2]).all()
    assert (view.image.data[0] == IMAGES[2]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({}, TRUTHS), "nothing to compare"),
        (({"a": GOOD[:3]}, TRUTHS), "3 predictions for 5 truths"),
        (({"a": GOOD}, TRUTHS, IMAGES[:2]), "truth holds 5 labels"),
        ((["folder"], TRUTHS), "folder"),
        ((GOOD[0], TRUTHS), "give a dict"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, words, require_sentence):
    with pytest.raises((TypeError, ValueError)) as error:
        compare(*arguments)
    require_sentence(str(error.value), words)


def test_models_that_do_not_suit_are_refused(threshold, require_sentence):
    with pytest.raises(ValueError, match="is a model") as error:
        compare({"m": threshold(20)}, TRUTHS)
    require_sentence(str(error.value), "images")
    with pytest.raises(ValueError, match="classes only") as error:
        compare({"m": threshold(20)}, TRUTHS, IMAGES, EvaluateConfig("instance"))
    require_sentence(str(error.value), "kind='semantic'")
