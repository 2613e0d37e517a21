"""Mean, spread and intervals of metrics over images and groups; volumes; JSON."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from napari_segkit import evaluate
from napari_segkit.evaluation.statistics import bootstrap


def pairs(count=8):
    """Predictions and truths of 0 to 2; the last truth and prediction lack 2."""
    rng = np.random.default_rng(0)
    truths = [rng.integers(0, 3, (20, 20)) for _ in range(count)]
    predictions = [np.where(rng.random(t.shape) < 0.3, (t + 1) % 3, t) for t in truths]
    truths[-1], predictions[-1] = truths[-1] % 2, predictions[-1] % 2
    return predictions, truths


@pytest.fixture(scope="module")
def report():
    return evaluate(*pairs(), groups=[*"aabbcc", None, None])


def row(table, metric, value):
    (found,) = table[(table["metric"] == metric) & (table["class"] == value)].to_dict("records")
    return found


def test_whole_image_metrics_are_those_of_sklearn(report):
    prediction, truth = (np.stack(side).ravel() for side in pairs())
    assert report.kappa == pytest.approx(sklearn_metrics.cohen_kappa_score(truth, prediction))
    weighted = sklearn_metrics.jaccard_score(truth, prediction, average="weighted")
    assert report.frequency_weighted_iou == pytest.approx(weighted)
    for value, specificity in report.specificity.items():
        expected = sklearn_metrics.recall_score(truth != value, prediction != value)
        assert specificity == pytest.approx(expected)
    only = evaluate(np.zeros(4, int), np.zeros(4, int))
    assert np.isnan(only.kappa)
    assert np.isnan(only.specificity[0])
    assert only.accuracy == 1


def test_absent_classes_are_left_out_of_the_mean_and_counted(report):
    table = report.statistics()
    values = [image.iou[2] for image in [*report.images.values()][:-1]]
    found = row(table, "iou", 2)
    assert (found["n"], found["absent"]) == (7, 1)
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["std"] == pytest.approx(np.std(values, ddof=1))
    assert found["pooled"] == report.iou[2]
    whole = row(table, "accuracy", "")
    assert whole["mean"] == pytest.approx(np.mean([i.accuracy for i in report.images.values()]))
    means = [image.mean_iou for image in report.images.values()]
    assert row(table, "iou", "mean")["mean"] == pytest.approx(np.mean(means))
    foreground = [image.mean_foreground_iou for image in report.images.values()]
    assert row(table, "iou", "mean of foreground")["mean"] == pytest.approx(np.mean(foreground))


def test_groups_are_pooled_first(report):
    assert list(report.groups) == ["a", "b", "c", 6, 7]
    predictions, truths = pairs()
    expected = evaluate(predictions[:2], truths[:2])
    assert report.groups["a"].iou == expected.iou
    table = report.statistics("group")
    assert row(table, "iou", 0)["n"] == 5
    means = [group.iou[0] for group in report.groups.values()]
    assert row(table, "iou", 0)["mean"] == pytest.approx(np.mean(means))
    shown = report.table(by="group")
    assert list(dict.fromkeys(shown["group"])) == ["a", "b", "c", 6, 7, "pooled"]


def test_images_without_a_group_stay_by_themselves():
    prediction, truth = (side[:4] for side in pairs())
    report = evaluate(prediction, truth, groups=["a", float("nan"), float("nan"), ""])
    assert [*report.groups] == ["a", 1, 2, 3]
    same = replace(report.parts[1], name="a")
    assert [*(report.parts[0] + same).groups] == ["a", "a (image)"]


def test_intervals_are_those_of_scipy():
    values = np.random.default_rng(1).normal(size=(30, 1))
    low, high = bootstrap(values, range(30), 0.9)
    expected = stats.bootstrap(
        (values[:, 0],), np.mean, confidence_level=0.9, method="percentile", rng=2
    ).confidence_interval
    spread = np.ptp(expected)
    assert low[0] == pytest.approx(expected.low, abs=0.05 * spread)
    assert high[0] == pytest.approx(expected.high, abs=0.05 * spread)


def test_images_of_one_group_are_drawn_together():
    values = np.repeat(np.random.default_rng(2).normal(size=6), 50)[:, None]
    apart, together = (
        np.ptp(bootstrap(values, groups, 0.95))
        for groups in (range(300), np.repeat(range(6), 50).tolist())
    )
    assert together > 5 * apart
    once = bootstrap(values[::50], range(6), 0.95)
    np.testing.assert_allclose(bootstrap(values, np.repeat(range(6), 50).tolist(), 0.95), once)


def test_intervals_need_two_groups_and_repeat_themselves(report):
    assert np.isnan(evaluate(*(side[0] for side in pairs())).statistics()["low"]).all()
    assert report.statistics().equals(report.statistics())
    low, high = bootstrap(np.array([[1.0], [np.inf], [2.0], [np.nan]]), range(4), 0.95)
    assert (low[0], high[0]) == (1, np.inf)


def test_volumes_are_in_world_units():
    truth = np.zeros((4, 6, 6), np.uint8)
    truth[1:3, 1:4, 1:4] = 1
    prediction = truth.copy()
    prediction[1, 1, 1] = 0
    report = evaluate(prediction, truth, spacing=(2, 0.5, 0.5))
    assert report.truth_volume[1] == pytest.approx(18 * 0.5)
    assert report.predicted_volume[1] == pytest.approx(17 * 0.5)
    assert report.metrics["volume_error"][1] == pytest.approx(-1 / 18)
    other = evaluate(prediction, truth, spacing=(1, 1, 1))
    assert (report + other).truth_volume[1] == pytest.approx(9 + 18)
    assert "truth_volume" in str(report)
    assert "truth_volume" not in str(other)


def test_a_movie_has_areas():
    data = np.ones((3, 4, 4), np.uint8)
    plain = {"data": data, "ndim": 3, "scale": (5, 0.5, 0.5), "metadata": {}}
    labels = SimpleNamespace(**plain, axis_labels=("t", "y", "x"))
    assert evaluate(data, labels).truth_volume[1] == pytest.approx(3 * 16 * 0.25)
    last = SimpleNamespace(**plain | {"scale": (0.5, 2, 9)}, axis_labels=("y", "x", "t"))
    assert evaluate(data, last).truth_volume[1] == pytest.approx(3 * 16)
    with pytest.raises(ValueError, match="has a time axis that is not the first one"):
        evaluate(data, last, distances=True)


@pytest.mark.filterwarnings("ignore:.*colours became classes")
def test_masks_in_colour_have_the_scale_of_their_layer():
    data = np.zeros((6, 6, 3), np.uint8)
    data[2:4, 2:4, 0] = 255
    layer = SimpleNamespace(data=data, ndim=2, scale=(2, 3), metadata={}, name="m", rgb=True)
    assert evaluate(data, layer).truth_volume[1] == 4 * 6


def test_json_holds_images_and_groups_and_no_nan(report):
    record = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert record["kind"] == "semantic"
    assert record["metrics"]["iou"]["1"] == report.iou[1]
    assert [image["group"] for image in record["images"]] == [*"aabbcc", None, None]
    assert record["groups"]["b"]["metrics"]["accuracy"] == report.groups["b"].accuracy
    assert record["table"][0]["truth_pixels"] == report.counts.sum(axis=1)[0]
    assert record["table"][-1]["iou"] is None
    missed = evaluate(np.zeros((4, 4), int), np.eye(4, dtype=int), distances=True)
    record = json.loads(missed.to_json(), parse_constant=pytest.fail)
    assert record["metrics"]["hausdorff"]["1"] == "Infinity"
    for kind in ("instance", "panoptic"):
        other = evaluate(*(side[0] for side in pairs()), kind=kind, labels_are="objects")
        assert json.loads(other.to_json(), parse_constant=pytest.fail)["kind"] == kind


@pytest.mark.parametrize("kind", ["instance", "panoptic"])
def test_other_kinds_have_statistics(kind):
    report = evaluate(*pairs(3), kind=kind, labels_are="objects")
    table = report.statistics()
    (pq,) = table[(table["metric"] == "pq") & table.iloc[:, 1].isin(["", "mean"])]["mean"]
    means = [r.pq if kind == "instance" else r.mean_pq for r in report.images.values()]
    assert pq == pytest.approx(np.mean(means))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda r: r.statistics("subject"), "by is 'subject': choose 'image' or 'group'."),
        (lambda r: r.statistics(confidence=95), "confidence is 95: give a number between 0 and 1"),
        (lambda r: r.table(by="group"), "No image of this report has a group"),
        (lambda _: evaluate([np.ones(2)], [np.ones(2)], groups=["a", "b"]), "2 names for 1 pairs"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(evaluate(*pairs(1)))


def test_the_printed_report_of_several_images_tells_the_spread(report):
    found = row(report.statistics(), "iou", "mean")
    interval = f"(95 % interval {found['low']:.4f} to {found['high']:.4f})"
    expected = f"Over 8 images in 5 groups: mean iou {found['mean']:.4f} ± {found['std']:.4f}"
    assert f"{expected} {interval}, mean dice" in str(report)
    assert "Over" not in str(report.images[0])
    for kind in ("instance", "panoptic"):
        several = evaluate(*pairs(2), kind=kind, labels_are="objects")
        assert "Over 2 images: mean " in str(several)
