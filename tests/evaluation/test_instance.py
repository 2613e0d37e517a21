"""Metrics of objects and segments: brute force, torchmetrics, and what must hold of them."""

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageio.v3 import imread
from scipy.optimize import linear_sum_assignment

from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation import slab_reader
from napari_segkit.evaluation.metric import THRESHOLDS
from napari_segkit.evaluation.report import (
    LabelPair,
    evaluate,
    evaluate_pairs,
)
from napari_segkit.images.labels import LabelsError

LOW = (0.1, 0.25, 0.4, *THRESHOLDS)
VOID = 9


def rectangles(rng, count, shape=(40, 50)):
    """Overlapping rectangles with numbers that leave gaps, the later on top."""
    labels = np.zeros(shape, np.int64)
    for _ in range(count):
        y, x = rng.integers(0, shape[0] - 3), rng.integers(0, shape[1] - 3)
        h, w = rng.integers(2, 14, 2)
        labels[y : y + h, x : x + w] = rng.integers(1, 100_000)
    return labels


def perturbed(truth, rng):
    """The truth shifted, with objects lost, merged, cut and invented."""
    labels = np.roll(truth, rng.integers(-2, 3, truth.ndim), range(truth.ndim)).astype(np.int64)
    ids = np.unique(labels[labels > 0])
    for i in rng.permutation(ids)[: len(ids) // 3]:
        kind = rng.integers(3)
        if kind == 0:
            labels[labels == i] = 0
        elif kind == 1:
            labels[labels == i] = rng.choice(ids)
        else:
            rows = np.argwhere(labels == i)
            half = rows[rows[:, 0] > np.median(rows[:, 0])] if len(rows) else rows
            labels[tuple(half.T)] = 500_000 + i
    labels[:4, :4] = 700_000
    return labels


def random_pair(seed):
    rng = np.random.default_rng(seed)
    truth = rectangles(rng, rng.integers(1, 25))
    return perturbed(truth, rng), truth


def dense_iou(prediction, truth, void=None):
    """Every truth against every prediction, mask by mask."""
    annotated = truth != void if void is not None else np.ones(truth.shape, bool)
    true = [i for i in np.unique(truth) if i not in (0, void)]
    predicted = [i for i in np.unique(prediction) if i]
    iou = np.zeros((len(true), len(predicted)))
    for r, t in enumerate(true):
        for c, p in enumerate(predicted):
            a, b = (truth == t) & annotated, (prediction == p) & annotated
            iou[r, c] = (a & b).sum() / (a | b).sum()
    return iou


def brute_force(iou, threshold):
    """TP and the sum of their IoUs by one assignment over everything."""
    worth = np.where(iou >= threshold, 1 + iou / (2 * max(1, min(iou.shape))), 0)
    chosen = linear_sum_assignment(worth, maximize=True)
    hit = iou[chosen] >= threshold
    return int(hit.sum()), float(iou[chosen][hit].sum())


def check_against_brute_force(prediction, truth):
    report = evaluate(prediction, truth, kind="instance", thresholds=LOW, labels_are="objects")
    iou = dense_iou(prediction, truth)
    for threshold in LOW:
        tp, overlap = brute_force(iou, threshold)
        fn, fp = np.subtract(iou.shape, tp)
        assert report.ap[threshold] == pytest.approx(tp / (tp + fp + fn), abs=1e-6)
        assert report.f1[threshold] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-6)
        assert report.recall[threshold] == pytest.approx(tp / (tp + fn), abs=1e-6)
        assert report.precision[threshold] == pytest.approx(tp / (tp + fp), abs=1e-6)
        if tp:
            assert report.matched_iou[threshold] == pytest.approx(overlap / tp, abs=1e-6)
    assert report.mean_ap == pytest.approx(np.mean([*report.ap.values()]))


@pytest.mark.parametrize("seed", range(12))
def test_metrics_agree_with_brute_force(seed):
    check_against_brute_force(*random_pair(seed))


def test_metrics_on_real_nuclei_agree_with_brute_force(real_data):
    rng = np.random.default_rng(0)
    for file in sorted((real_data / "dsb2018_fluo/masks").iterdir())[:3]:
        truth = imread(file)
        check_against_brute_force(perturbed(truth, rng), truth)


@st.composite
def pairs(draw):
    """A prediction and a truth of a few numbers, in random runs."""
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    values = st.lists(st.sampled_from((0, 1, 2, 5, 70_000)), min_size=72, max_size=72)
    return tuple(np.resize(draw(values), shape[::-1]).T for _ in range(2))


def instance(prediction, truth, **options):
    return evaluate(prediction, truth, kind="instance", labels_are="objects", **options)


@settings(max_examples=40)
@given(pairs(), st.integers(1, 10**6))
def test_the_ids_of_objects_do_not_matter(pair, seed):
    before = instance(*pair, thresholds=LOW)
    order = np.append(0, np.random.default_rng(seed).permutation(200_000)[:70_000] + 1)
    after = instance(*(order[a] for a in pair), thresholds=LOW)
    np.testing.assert_array_equal(before.counts, after.counts)
    np.testing.assert_allclose(before.main.counts.overlap, after.main.counts.overlap)


@given(pairs())
def test_swapped_sides_swap_precision_and_recall(pair):
    prediction, truth = pair
    one, other = instance(prediction, truth), instance(truth, prediction)
    np.testing.assert_array_equal(one.counts[:, [0, 2, 1]], other.counts)
    assert str(one.precision) == str(other.recall)  # nan is nan
    assert str(one.ap) == str(other.ap)


@settings(max_examples=40)
@given(pairs(), pairs())
def test_reports_add_up_to_the_pooled_report(first, second):
    parts = instance(*first, thresholds=LOW) + instance(*second, thresholds=LOW)
    pooled = instance(*(list(side) for side in zip(first, second, strict=True)), thresholds=LOW)
    np.testing.assert_array_equal(parts.main.counts.overlap, pooled.main.counts.overlap)
    np.testing.assert_array_equal(parts.counts, pooled.counts)
    pd.testing.assert_frame_equal(parts.matches, pooled.matches)
    assert list(parts.images) == list(pooled.images) == [0, 1]


@given(pairs())
def test_a_perfect_prediction_has_one_everywhere(pair):
    report = instance(pair[1], pair[1], thresholds=LOW)
    expected = 1.0 if pair[1].any() else np.nan
    for metrics in (report.f1, report.ap, report.precision, report.recall, report.matched_iou):
        np.testing.assert_array_equal([*metrics.values()], expected)
    np.testing.assert_array_equal([report.pq, report.sq, report.rq, report.mean_ap], expected)


@given(pairs())
def test_metrics_fall_with_the_threshold_and_counts_cover_all_objects(pair):
    report = instance(*pair, thresholds=LOW)
    for metrics in (report.f1, report.ap):
        assert not (np.diff([*metrics.values()]) > 0).any()
    hits, wrong, missed = report.counts.T
    truth, prediction = (len(np.unique(a[a > 0])) for a in pair[::-1])
    assert set(hits + missed) == {truth} == {report.truth_objects}
    assert set(hits + wrong) == {prediction} == {report.predicted_objects}


SQUARES = np.zeros((12, 40), np.uint16)
for _i in range(4):
    SQUARES[2:10, 10 * _i + 1 : 10 * _i + 9] = _i + 1
SHIFTED = np.roll(SQUARES, 2, axis=0)


def test_the_metrics_of_a_small_example():
    prediction = SHIFTED.copy()
    prediction[prediction == 4] = 0
    prediction[0, :3] = 8
    report = evaluate(prediction, SQUARES, kind="instance")
    iou = 48 / 80
    assert report.counts[0].tolist() == [3, 1, 1]
    assert report.f1[0.5] == pytest.approx(6 / 8)
    assert report.ap[0.6] == pytest.approx(3 / 5)  # the threshold itself counts
    assert report.ap[0.65] == 0
    assert report.mean_ap == pytest.approx(3 * 0.6 / 10)
    assert (report.sq, report.rq) == (pytest.approx(iou), pytest.approx(0.75))
    assert report.pq == pytest.approx(iou * 0.75)
    assert report.matched_iou[0.5] == pytest.approx(iou)
    assert report.matches.values.tolist()[:3] == [[0, i, i, pytest.approx(iou)] for i in (1, 2, 3)]
    assert report.matches["truth"].tolist()[3:] == [4, 0]
    assert report.matches["prediction"].tolist()[3:] == [0, 8]
    table = report.table()
    assert table["threshold"].tolist() == [*THRESHOLDS, "mean"]
    assert table["pq"].tolist()[-1] == report.pq
    assert table["hits"].tolist()[:4] == [3, 3, 3, 0]
    assert "mean AP 0.1800; PQ 0.4500" in report.summary()
    assert "F1 0.7500 and AP 0.6000 at IoU 0.5" in report.means()
    assert set((report + report).table(by="image")["image"]) == {0, 1, "pooled"}


def test_the_pixels_of_objects_have_metrics_too():
    report = evaluate(SHIFTED, SQUARES, kind="instance")
    expected = evaluate(SHIFTED, SQUARES, labels_are="objects")
    assert report.iou == expected.iou
    assert report.dice == expected.dice
    assert (report.mean_iou, report.accuracy) == (expected.mean_iou, expected.accuracy)


def test_half_an_object_on_each_side_is_one_hit():
    truth, prediction = np.array([[1, 1, 0]]), np.array([[1, 2, 0]])
    report = instance(prediction, truth)
    assert report.counts[0].tolist() == [1, 1, 0]
    assert (report.pq, report.f1[0.5]) == (0, pytest.approx(2 / 3))  # PQ wants more than a half


def test_an_empty_side_gives_nan_and_a_note():
    report = evaluate(SQUARES * 0, SQUARES * 0, kind="instance")
    assert np.isnan([report.mean_ap, report.pq, report.f1[0.5], report.recall[0.5]]).all()
    assert report.notes == ("The truth holds no object.", "The prediction holds no object.")
    only = evaluate(SQUARES, SQUARES * 0, kind="instance")
    assert (only.ap[0.5], only.precision[0.5]) == (0, 0)
    assert np.isnan([only.recall[0.5], only.sq]).all()


def test_unannotated_pixels_are_neither_hit_nor_false_positive():
    truth = SQUARES.copy()
    truth[:, 30:] = VOID
    truth[2:10, 26:29] = VOID  # a part of the third object
    report = evaluate(SQUARES, truth, kind="instance", unlabelled=VOID)
    assert report.counts[-1].tolist() == [3, 0, 0]
    assert report.sq == 1  # what is not annotated is no part of an IoU
    assert report.left_out == 1
    assert "1 predicted objects lie mostly where the truth is not annotated" in report.notes[0]
    assert 4 not in report.matches["prediction"].tolist()
    assert report.unlabelled == VOID
    assert evaluate(SQUARES, truth, kind="instance").counts[-1].tolist() == [3, 1, 1]


def test_zero_is_background_of_objects_and_never_left_out():
    report = evaluate(SHIFTED, SQUARES, kind="instance", unlabelled=0)
    assert report.unlabelled is None
    assert str(report) == str(evaluate(SHIFTED, SQUARES, kind="instance"))


def test_large_numbers_and_many_objects_need_no_dense_table():
    side = 110
    truth = np.kron(np.arange(side * side).reshape(side, side) * 40_001, np.ones((5, 5), np.int64))
    prediction = np.roll(truth, 1, axis=1)
    report = instance(prediction, truth, thresholds=(0.3, 0.5))
    assert report.truth_objects == side * side - 1
    assert report.f1[0.5] == pytest.approx(1, abs=0.01)


class LoggedArray:
    """A lazy array that notes how many pixels are loaded at a time."""

    def __init__(self, lazy, loads):
        self.lazy, self.loads = lazy, loads

    def __getattr__(self, name):
        return getattr(self.lazy, name)

    def __getitem__(self, part):
        return LoggedArray(self.lazy[part], self.loads)

    def __array__(self, dtype=None, copy=None):
        self.loads.append(self.lazy.size)
        return self.lazy.compute()


@pytest.mark.parametrize("labels_are", ["ask", "objects"])
def test_lazy_arrays_are_read_slab_by_slab(labels_are, monkeypatch):
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 200)
    loads = []
    lazy = [LoggedArray(da.from_array(a, (2, 20)), loads) for a in (SHIFTED, SQUARES)]
    options = EvaluateConfig("instance", labels_are=labels_are)
    steps = list(evaluate_pairs([LabelPair(*lazy)], options))
    report = evaluate(*lazy, kind="instance", labels_are=labels_are)
    assert str(report) == str(evaluate(SHIFTED, SQUARES, kind="instance"))
    assert [s.done for s in steps] == [1, 2, 3]
    assert {s.total for s in steps} == {3}
    assert max(loads) <= 200


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_connected_components_are_objects_on_request(wrap):
    truth, prediction = (wrap((a > 0).astype(np.uint8)) for a in (SQUARES, SHIFTED))
    with pytest.raises(LabelsError, match=r"In the truth, .* look like classes") as caught:
        evaluate(prediction, truth, kind="instance")
    remedies = ("labels_are='classes'", "labels_are='objects'", "kind='semantic'")
    assert caught.value.remedies == remedies
    report = evaluate(prediction, truth, kind="instance", labels_are="classes")
    np.testing.assert_array_equal(report.counts, evaluate(SHIFTED, SQUARES, kind="instance").counts)


@pytest.mark.parametrize("wrap", [np.asarray, da.from_array])
def test_a_prediction_of_classes_is_measured_and_said(wrap):
    classes = wrap((SQUARES > 0).astype(np.uint8))
    with pytest.warns(UserWarning, match=r"In the prediction, .* look like classes: .* one object"):
        report = evaluate(classes, SQUARES, kind="instance")
    assert report.f1[0.5] < 0.5


def test_instance_ids_given_as_classes_get_this_kind_suggested():
    ids = np.kron(np.arange(12).reshape(3, 4), np.ones((3, 3), int))
    with pytest.raises(LabelsError, match="or kind='instance' to compare objects"):
        evaluate(ids, ids)


def layer(data, **fields):
    """What `evaluate` sees of a napari Labels layer."""
    plain = {"data": data, "scale": (1.0,) * data.ndim, "ndim": data.ndim, "metadata": {}}
    return SimpleNamespace(**plain, **fields)


def test_layers_and_predicted_objects_are_accepted():
    expected = str(evaluate(SHIFTED, SQUARES, kind="instance"))
    found = SimpleNamespace(labels=SHIFTED, table=None)
    assert str(evaluate(found, layer(SQUARES), kind="instance")) == expected
    pooled = evaluate([found, found], [SQUARES, SQUARES], kind="instance")
    assert len(pooled.images) == 2


def table(ids, classes, stuff=()):
    """A class for each number, by rotation; those named in `stuff` are stuff."""
    names = [classes[i % len(classes)] for i in ids]
    kinds = ["stuff" if name in stuff else "thing" for name in names]
    return pd.DataFrame({"index": ids, "class": names, "kind": kinds})


def segments(labels, classes="abc", stuff="c"):
    return SimpleNamespace(
        labels=labels, table=table(np.unique(labels[labels > 0]), classes, stuff)
    )


def torch_quality(pairs, void):
    """PQ, SQ and RQ of the classes a, b, c by torchmetrics; the means of PQ and RQ over them."""
    torch = pytest.importorskip("torch")
    detection = pytest.importorskip("torchmetrics.detection")
    metric = detection.PanopticQuality(
        things={0, 1, 3},  # 3: where there is no segment
        stuffs={2},
        return_per_class=True,
        return_sq_and_rq=True,
    )
    for pair in pairs:
        coloured = []
        for side in pair:
            names = side.table.set_index("index")["class"]
            place = {i: "abc".index(c) for i, c in names.items()} | {0: 3, void: 9}
            place = np.vectorize(lambda i, place=place: place[i])(side.labels)
            coloured.append(torch.from_numpy(np.stack([place, side.labels], -1)[None]))
        metric.update(*coloured)
    return metric.compute().numpy()[[0, 1, 3]]


def check_against_torchmetrics(pairs, void=None):
    report = evaluate(
        *(list(s) for s in zip(*pairs, strict=True)), kind="panoptic", unlabelled=void
    )
    expected = torch_quality(pairs, void)
    for name, theirs in zip("abc", expected, strict=True):
        ours = [metrics.get(name, 0) for metrics in (report.pq, report.sq, report.rq)]
        np.testing.assert_allclose(np.nan_to_num(ours), theirs, rtol=0, atol=1e-6)
    occurring = [i for i, c in enumerate("abc") if not np.isnan(report.pq.get(c, np.nan))]
    assert report.mean_pq == pytest.approx(expected[occurring, 0].mean(), abs=1e-6)
    assert report.mean_rq == pytest.approx(expected[occurring, 2].mean(), abs=1e-6)


@pytest.mark.parametrize("void", [None, VOID])
@pytest.mark.parametrize("seed", range(3))
def test_panoptic_quality_is_that_of_torchmetrics(seed, void):
    pairs = []
    for step in range(3):
        prediction, truth = random_pair(10 * seed + step)
        if void:
            truth[:, 30:] = void
        sides = segments(prediction), segments(np.where(truth == void, 0, truth))
        sides[1].labels = truth
        pairs.append(sides)
    check_against_torchmetrics(pairs, void)


def test_panoptic_quality_of_real_nuclei_is_that_of_torchmetrics(real_data):
    rng = np.random.default_rng(1)
    files = sorted((real_data / "dsb2018_fluo/masks").iterdir())[3:5]
    truths = [imread(f).astype(np.int64) for f in files]
    check_against_torchmetrics([(segments(perturbed(t, rng)), segments(t)) for t in truths])
    pooled = evaluate(truths, truths, kind="panoptic")
    assert (pooled.classes, pooled.mean_pq) == (("object",), 1)


def test_objects_of_one_class_have_the_quality_of_instances():
    prediction, truth = random_pair(2)
    objects = instance(prediction, truth)
    assert objects.counts[-1].all()
    report = evaluate(prediction, truth, kind="panoptic")
    assert report.pq == {"object": pytest.approx(objects.pq)}
    assert report.sq == {"object": pytest.approx(objects.sq)}
    assert report.iou["object"] == pytest.approx(objects.iou[1])
    assert report.accuracy == pytest.approx(objects.accuracy)


def test_stuff_is_one_segment_and_classes_do_not_mix():
    prediction, truth = segments(SHIFTED, "abcc"), segments(SQUARES, "abcc")
    report = evaluate(prediction, truth, kind="panoptic")
    assert report.counts.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert report.kinds == ("thing", "thing", "stuff")
    assert report.things.classes == ("a", "b")
    assert report.stuff.mean_pq == report.pq["c"] == pytest.approx(0.6)
    mixed = evaluate(segments(SHIFTED, "bacc"), truth, kind="panoptic")
    assert mixed.pq == {"a": 0, "b": 0, "c": pytest.approx(0.6)}
    assert np.isnan(mixed.sq["a"])
    shown = report.table()
    assert shown["class"].tolist() == ["a", "b", "c", "mean", "mean", "mean"]
    assert shown["kind"].tolist()[3:] == ["", "thing", "stuff"]
    assert shown["truth_pixels"].tolist()[:3] == [64, 64, 128]


def test_zero_may_be_void_for_segments():
    truth = segments(np.where(SQUARES == 4, 0, SQUARES))
    counted = evaluate(segments(SQUARES), truth, kind="panoptic")
    void = evaluate(segments(SQUARES), truth, kind="panoptic", unlabelled=0)
    assert counted.counts.sum(axis=0).tolist() == [3, 1, 0]
    assert void.counts.sum(axis=0).tolist() == [3, 0, 0]
    assert void.accuracy == 1
    assert void.left_out == 1


def test_a_crowd_is_neither_missed_nor_are_its_members_wrong():
    truth = segments(np.where(SQUARES > 2, 3, SQUARES), "aaa", "")
    truth.table["iscrowd"] = [0, 0, 1]
    report = evaluate(segments(SQUARES, "aaa", ""), truth, kind="panoptic")
    assert report.counts.tolist() == [[2, 0, 0]]
    assert report.left_out == 2
    other = evaluate(segments(SQUARES, "baa", ""), truth, kind="panoptic")
    assert other.counts.tolist() == [[2, 0, 0], [0, 1, 0]]


def test_reports_of_other_classes_add_up_by_name():
    first = evaluate(segments(SHIFTED, "ab", ""), segments(SQUARES, "ab", ""), kind="panoptic")
    second = evaluate(segments(SQUARES, "bc"), segments(SQUARES, "bc"), kind="panoptic")
    both = first + second
    pooled = evaluate(
        [segments(SHIFTED, "ab", ""), segments(SQUARES, "bc")],
        [segments(SQUARES, "ab", ""), segments(SQUARES, "bc")],
        kind="panoptic",
    )
    assert str(both) == str(pooled)
    assert both.classes == ("a", "b", "c")
    assert both.counts[:, 0].tolist() == [2, 4, 1]


def test_the_features_of_layers_name_classes():
    features = table([0, 1, 2, 3, 4], "xab", "b")
    report = evaluate(
        layer(SHIFTED, features=features), layer(SQUARES, features=features), kind="panoptic"
    )
    assert report.classes == ("a", "b", "x")
    assert report.kinds == ("thing", "stuff", "thing")
    plain = [layer(SQUARES, features=pd.DataFrame({"index": [1, 2]})) for _ in range(2)]
    assert evaluate(*plain, kind="panoptic").classes == ("object",)


def test_one_sided_classes_are_noted_in_one_sentence_for_each_side():
    notes = evaluate(np.arange(7), np.arange(7) * 10, labels_are="classes").notes
    assert notes[:2] == (
        "Classes 10, 20, 30, 40, 50 and 1 more are in the truth but nowhere in the prediction.",
        "Classes 1, 2, 3, 4, 5 and 1 more are in the prediction but nowhere in the truth.",
    )


def test_one_sided_classes_are_noted():
    report = evaluate(SQUARES.copy(), segments(SQUARES, "a", ""), kind="panoptic")
    assert report.notes == (
        "Class 'a' is in the truth but nowhere in the prediction.",
        "Class 'object' is in the prediction but nowhere in the truth.",
    )


@pytest.mark.parametrize(
    ("truth", "options", "sentence"),
    [
        (SQUARES[1:], {"kind": "instance"}, r"\(12, 40\).*\(11, 40\)"),
        (SQUARES * 0.5, {"kind": "instance"}, "In the truth, the labels have dtype float64"),
        (SQUARES * 0 + 1, {"kind": "instance", "unlabelled": 1}, "every pixel of the truth is 1"),
        (SQUARES * 0, {"kind": "panoptic", "unlabelled": 0}, "every pixel of the truth is 0"),
        (SQUARES, {"kind": "instance", "thresholds": ()}, "one or more above 0 and at most 1"),
        (SQUARES, {"kind": "instance", "thresholds": (0, 0.5)}, "above 0 and at most 1"),
        (SQUARES, {"kind": "panoptic", "thresholds": (0.5,)}, "are for kind='instance'"),
        (SQUARES, {"kind": "panoptic", "labels_are": "classes"}, "ids of segments"),
        (SimpleNamespace(labels=SQUARES, table=table([1, 2], "a")), {"kind": "panoptic"},
         r"In the truth, 2 segments have no class \(3, 4\)"),
        (SimpleNamespace(labels=SQUARES, table=table([1], "a").assign(kind="things")),
         {"kind": "panoptic"}, "'things'; it must be 'thing' or 'stuff'"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence(truth, options, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        evaluate(SQUARES, truth, **options)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_reports_of_different_choices_are_not_pooled():
    one = instance(SQUARES, SQUARES)
    with pytest.raises(ValueError, match="cannot be pooled"):
        one + instance(SQUARES, SQUARES, thresholds=(0.5,))
    with pytest.raises(ValueError, match="unlabelled=None and unlabelled=9"):
        one + instance(SQUARES, SQUARES, unlabelled=9)
    every, some = (evaluate(SQUARES, SQUARES, kind="panoptic", unlabelled=u) for u in (None, 9))
    with pytest.raises(ValueError, match="unlabelled=None and unlabelled=9"):
        every + some
