"""`evaluate` on arrays, layers, lists and lazy arrays, and the report it gives."""

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from napari_segkit.config import EvaluateConfig
from napari_segkit.evaluation import slab_reader
from napari_segkit.evaluation.report import (
    LabelPair,
    evaluate,
    evaluate_pairs,
)

TRUTH = np.array([[0, 0, 1, 1], [0, 2, 2, 1]], np.uint8)
PREDICTION = np.array([[0, 1, 1, 1], [0, 2, 0, 1]], np.uint8)


def layer(data, **fields):
    """What `evaluate` sees of a napari Labels layer."""
    array = np.asarray(data)
    plain = {"data": data, "scale": (1.0,) * array.ndim, "ndim": array.ndim, "metadata": {}}
    return SimpleNamespace(**plain, **fields)


def mask(shape=(60, 60)):
    """A disc of 255 on 0."""
    y, x = np.indices(shape)
    return np.where((y - 30) ** 2 + (x - 30) ** 2 < 200, 255, 0).astype(np.uint8)


def grey_edges(values):
    """What resizing by interpolation makes of a mask."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values.astype(float), 0.7).round().astype(np.uint8)


def ids(count=12):
    """That many separate squares, each with its own value."""
    labels = np.zeros((count * 4, 8), np.uint16)
    for i in range(count):
        labels[i * 4 : i * 4 + 2, 2:5] = i + 1
    return labels


def test_the_metrics_of_a_small_example():
    report = evaluate(PREDICTION, TRUTH)
    assert report.classes == (0, 1, 2)
    assert report.pixels == 8
    assert report.accuracy == 6 / 8
    assert report.iou == {0: 2 / 4, 1: 3 / 4, 2: 1 / 2}
    assert report.dice == pytest.approx({0: 4 / 6, 1: 6 / 7, 2: 2 / 3})
    assert report.precision == {0: 2 / 3, 1: 3 / 4, 2: 1}
    assert report.recall == {0: 2 / 3, 1: 1, 2: 1 / 2}
    assert report.mean_iou == pytest.approx((0.5 + 0.75 + 0.5) / 3)
    assert report.mean_dice == pytest.approx((4 / 6 + 6 / 7 + 2 / 3) / 3)
    assert report.mean_foreground_iou == pytest.approx((0.75 + 0.5) / 2)
    assert report.mean_foreground_dice == pytest.approx((6 / 7 + 2 / 3) / 2)
    assert report.specificity == {0: 4 / 5, 1: 4 / 5, 2: 1}
    assert report.frequency_weighted_iou == pytest.approx((3 * 0.5 + 3 * 0.75 + 2 * 0.5) / 8)


def test_every_pixel_counts_by_default():
    assert evaluate(PREDICTION, TRUTH).unlabelled is None
    assert evaluate(PREDICTION, TRUTH, unlabelled=0).pixels == 5


def test_unlabelled_pixels_are_left_out():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 4, (2, 20, 20))
    changed = np.where(truth == 0, 3, prediction)
    before, after = (evaluate(p, truth, unlabelled=0) for p in (prediction, changed))
    assert before.classes == after.classes == (1, 2, 3)
    np.testing.assert_array_equal(before.counts, after.counts)


def test_a_prediction_of_the_unlabelled_value_is_a_miss():
    report = evaluate(np.array([0, 1, 1]), np.array([1, 1, 0]), unlabelled=0)
    assert report.classes == (1,)
    assert report.recall == {1: 0.5}
    assert report.precision == {1: 1.0}
    assert report.accuracy == 0.5


def test_a_class_predicted_where_there_is_none_counts_in_the_mean():
    report = evaluate(np.array([0, 0, 7]), np.array([0, 0, 0]))
    assert report.iou == {0: pytest.approx(2 / 3), 7: 0.0}
    assert report.mean_iou == pytest.approx(1 / 3)
    assert np.isnan(report.recall[7])
    assert report.notes == ("Class 7 is in the prediction but nowhere in the truth.",)


def test_equal_masks_of_other_values_are_told():
    mask = np.array([0, 0, 1, 1])
    for prediction, truth in [(mask, mask * 255), (mask, mask + 1), (mask * 255, mask)]:
        assert "none but 0 agrees anywhere" in evaluate(prediction, truth).notes[-1]
    misses = evaluate(np.array([0, 1, 2, 3]), np.array([0, 1, 3, 4]))
    assert not [note for note in misses.notes if "agrees" in note]


def test_objects_are_one_class():
    report = evaluate(
        ids() + np.where(ids() > 0, 5, 0).astype(np.uint16), ids(), labels_are="objects"
    )
    assert report.classes == (0, 1)
    assert report.mean_iou == 1


def test_what_looks_like_instance_ids_is_asked_about():
    with pytest.raises(ValueError, match=r"In the truth, the labels hold.*labels_are='objects'"):
        evaluate(ids(), ids())
    assert len(evaluate(ids(), ids(), labels_are="classes").classes) == 13


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("lazy", [False, True])
def test_grey_edges_of_a_mask_are_cleaned_on_both_sides(lazy, dtype, monkeypatch):
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 600)
    truth = grey_edges(mask()).astype(dtype)
    wrap = da.from_array if lazy else np.asarray
    report = evaluate(wrap(mask()), wrap(truth))
    assert report.classes == (0, 255)
    assert report.mean_iou > 0.99
    assert [note for note in report.notes if "Grey edges" in note and "the truth" in note]
    assert evaluate(wrap(truth), wrap(mask())).classes == (0, 255)


def test_lists_are_pooled_by_counts():
    pooled = evaluate([PREDICTION, TRUTH], [TRUTH, TRUTH])
    whole = evaluate(np.concatenate([PREDICTION, TRUTH]), np.concatenate([TRUTH, TRUTH]))
    np.testing.assert_array_equal(pooled.counts, whole.counts)
    assert pooled.iou == whole.iou


def test_reports_add_up_to_the_pooled_report():
    parts = evaluate(PREDICTION, TRUTH) + evaluate(TRUTH + 1, TRUTH + 1)
    pooled = evaluate([PREDICTION, TRUTH + 1], [TRUTH, TRUTH + 1])
    assert parts.classes == pooled.classes == (0, 1, 2, 3)
    np.testing.assert_array_equal(parts.counts, pooled.counts)


def test_pooled_notes_are_those_of_all_pixels():
    first = evaluate(np.array([1, 1]), np.array([1, 2]))
    second = evaluate(np.array([2, 2]), np.array([2, 2]))
    assert first.notes == ("Class 2 is in the truth but nowhere in the prediction.",)
    assert (first + second).notes == ()
    assert "nowhere" not in str(first + second)


def test_reports_of_different_choices_are_not_pooled():
    with pytest.raises(ValueError, match="unlabelled=None and unlabelled=0"):
        evaluate(TRUTH, TRUTH) + evaluate(TRUTH, TRUTH, unlabelled=0)


def test_any_number_of_dimensions_counts():
    line = np.arange(256, dtype=np.uint8)
    assert evaluate(line, line, labels_are="classes").mean_iou == 1


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


@pytest.mark.parametrize("chunks", [(1, 5, 8), (3, 5, 8), (7, 2, 3)])
def test_lazy_arrays_give_the_same_counts_without_being_loaded_whole(chunks, monkeypatch):
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 100)
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 3, (2, 21, 5, 8)).astype(np.uint8)
    loads = []
    report = evaluate(*(LoggedArray(da.from_array(a, chunks), loads) for a in arrays))
    np.testing.assert_array_equal(report.counts, evaluate(*arrays).counts)
    assert max(loads) <= max(100, chunks[0] * 5 * 8)


def test_layers_give_their_class_names():
    features = pd.DataFrame({"index": [0, 1, 2], "name": ["background", "cell", "debris"]})
    report = evaluate(layer(PREDICTION), layer(TRUTH, features=features))
    assert report.names == {0: "background", 1: "cell", 2: "debris"}
    assert report.table()["name"].tolist()[:3] == ["background", "cell", "debris"]
    assert "name" not in evaluate(PREDICTION, TRUTH).table()


def test_the_table_has_a_row_for_each_class_and_the_mean():
    report = evaluate(PREDICTION, TRUTH)
    table = report.table()
    means = ["mean", "mean of foreground"]
    rows = ["accuracy", "frequency_weighted_iou", "kappa"]
    assert table["class"].tolist() == [0, 1, 2, *means, *rows]
    ious = [*report.iou.values(), report.mean_iou, report.mean_foreground_iou]
    assert table["iou"].dropna().tolist() == ious
    values = [report.accuracy, report.frequency_weighted_iou, report.kappa]
    assert table["value"].dropna().tolist() == values
    assert table["truth_pixels"].tolist()[:3] == [3, 3, 2]
    assert table["predicted_pixels"].tolist()[:3] == [3, 4, 1]
    assert table["truth_pixels"].isna().tolist() == [False] * 3 + [True] * 5


def test_the_printed_report_names_the_choice():
    assert "unlabelled: none (every pixel counts)" in str(evaluate(PREDICTION, TRUTH))
    assert "unlabelled: 0" in str(evaluate(PREDICTION, TRUTH, unlabelled=0))


def test_progress_reaches_its_total(monkeypatch):
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 4)
    steps = list(evaluate_pairs([LabelPair(TRUTH, TRUTH)] * 2, EvaluateConfig()))
    assert [s.done for s in steps] == [1, 2, 3, 4]
    assert {s.total for s in steps} == {4}


@pytest.mark.parametrize("kind", ["semantic", "instance"])
def test_labels_that_are_whole_but_for_how_they_are_stored_are_compared(kind):
    mask = TRUTH > 0
    stored = evaluate(mask, mask * np.float32(0.99999994), kind=kind)
    assert str(stored) == str(evaluate(mask.astype(np.uint8), mask.astype(np.uint8), kind=kind))


@pytest.mark.parametrize(
    ("prediction", "truth", "options", "sentence"),
    [
        (TRUTH[:1], TRUTH, {}, r"\(1, 4\).*\(2, 4\)"),
        (TRUTH + 0.5, TRUTH, {}, "In the prediction, the labels have dtype float64"),
        (TRUTH * np.nan, TRUTH, {}, "In the prediction"),
        (TRUTH, TRUTH.astype(complex), {}, "In the truth, .* complex128"),
        (TRUTH.astype(int) - 1, TRUTH, {}, "In the prediction, the labels hold negative"),
        (TRUTH, TRUTH * 0, {"unlabelled": 0}, "every pixel of the truth is 0"),
        (TRUTH[:0], TRUTH[:0], {}, "no pixels"),
        (
            TRUTH,
            TRUTH,
            {"kind": "instances"},
            "kind is 'instances'; choose one of",
        ),
        (TRUTH, TRUTH, {"labels_are": "object"}, "labels_are is 'object'; choose one of"),
        (TRUTH, TRUTH, {"unlabelled": -1}, "unlabelled is -1"),
        ([TRUTH], TRUTH, {}, "holds 1 and truth one array"),
        ([TRUTH], [TRUTH, TRUTH], {}, "holds 1 and truth 2"),
        ([], [], {}, "holds 0 and truth 0"),
        (
            np.arange(5000),
            np.arange(5000),
            {"labels_are": "classes"},
            "5000 values, too many for classes",
        ),
    ],
)
def test_bad_input_gets_a_sentence(prediction, truth, options, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        evaluate(prediction, truth, **options)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_unlabelled_must_be_a_number():
    with pytest.raises(TypeError, match="unlabelled is 'none'; it must be int or None"):
        evaluate(TRUTH, TRUTH, unlabelled="none")


def named(name, data):
    return layer(data, name=name)


def test_a_report_keeps_its_images():
    pooled = evaluate([named("a", PREDICTION), TRUTH, named("a", TRUTH)], [TRUTH] * 3)
    assert list(pooled.images) == ["a", 1, "a (2)"]
    alone = evaluate(PREDICTION, TRUTH)
    assert pooled.images["a"].iou == alone.iou
    assert pooled.images[1].mean_iou == 1
    assert str(pooled.images["a"].images["a"]) == str(alone)
    assert list(alone.images) == [0]


def test_adding_reports_appends_images():
    first = evaluate([PREDICTION, TRUTH], [TRUTH, TRUTH])
    second = evaluate(named("c", PREDICTION), TRUTH)
    both = first + second
    assert list(both.images) == [0, 1, "c"]
    assert both.images["c"].iou == second.iou
    assert both.pixels == first.pixels + second.pixels


def test_the_table_by_image_ends_with_the_pooled_one():
    pooled = evaluate([named("a", PREDICTION), TRUTH], [TRUTH, TRUTH])
    table = pooled.table(by="image")
    assert table.columns[0] == "image"
    assert list(dict.fromkeys(table["image"])) == ["a", 1, "pooled"]
    for name, report in (*pooled.images.items(), ("pooled", pooled)):
        rows = table[table["image"] == name].drop(columns="image").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, report.table())


def test_reports_of_different_kinds_are_not_pooled():
    with pytest.raises(TypeError):
        evaluate(TRUTH, TRUTH) + evaluate(TRUTH, TRUTH, kind="panoptic")


def test_an_image_without_labelled_pixels_may_be_among_others():
    pooled = evaluate([PREDICTION, TRUTH], [TRUTH, TRUTH * 0], unlabelled=0)
    assert pooled.pixels == 5
    assert np.isnan(pooled.images[1].accuracy)


def test_a_list_of_numpy_numbers_is_an_array():
    report = evaluate(list(PREDICTION.ravel()), list(TRUTH.ravel()))
    assert str(report) == str(evaluate(PREDICTION, TRUTH))


def test_labels_compared_with_themselves_are_refused_or_noted():
    layer = SimpleNamespace(data=TRUTH, scale=(1, 1), ndim=2, metadata={}, name="cells")
    with pytest.raises(ValueError, match="cells is given as prediction and as truth"):
        evaluate(layer, layer)
    assert "one and the same array" in str(evaluate(TRUTH, TRUTH))
    assert "one and the same array" not in str(evaluate(TRUTH, TRUTH.copy()))


def test_the_worst_images_come_first():
    truth = np.array([[0, 1], [1, 1]])
    predictions = [truth, 1 - truth, np.array([[0, 1], [1, 0]])]
    report = evaluate(predictions, [truth] * 3)
    assert list(report.worst_images()) == [1, 2, 0]
    assert report.worst_images(1) == {1: 0.0}
    assert report.worst_images()[2] == pytest.approx((1 / 2 + 2 / 3) / 2)
