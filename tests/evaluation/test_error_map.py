from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_segkit import error_map, evaluate
from napari_segkit.evaluation import slab_reader
from napari_segkit.evaluation.metric import LabelTable
from napari_segkit.evaluation.worst_places import ErrorPlace, worst_places

TRUTH, PREDICTED = np.zeros((40, 60), np.uint16), np.zeros((40, 60), np.uint16)
BOXES = {  # name -> rows, columns and id in the truth, then in the prediction
    "matched": ([np.s_[2:12, 2:12, 1]], [np.s_[2:12, 3:13, 11]]),
    "missed": ([np.s_[15:25, 2:12, 2]], []),
    "invented": ([], [np.s_[28:38, 2:12, 12]]),
    "split": ([np.s_[2:12, 20:50, 3]], [np.s_[2:12, 20 + n : 30 + n, 13 + n] for n in (0, 10, 20)]),
    "merged": ([np.s_[15:25, 20:30, 4], np.s_[15:25, 30:40, 5]], [np.s_[15:25, 20:41, 14]]),
}
for image, side in ((TRUTH, 0), (PREDICTED, 1)):
    for parts in BOXES.values():
        for rows, columns, number in parts[side]:
            image[rows, columns] = number
small = arrays.arrays(np.uint8, (4, 5), elements=st.integers(0, 3))


def brute_force(predicted, true, background, unlabelled):
    if true == unlabelled:
        return ""
    if predicted == true:
        return "" if true == background else "hit"
    if true == background:
        return "false positive"
    return "false negative" if predicted == background else "wrong class"


@given(small, small, st.sampled_from([None, 0, 2]))
def test_each_pixel_is_named_as_by_hand(prediction, truth, unlabelled):
    errors = error_map(prediction, truth, unlabelled=unlabelled, labels_are="classes")
    names = {0: ""} | {c.value: c.name for c in errors.classes}
    background = None if unlabelled == 0 else 0
    expected = np.vectorize(brute_force)(prediction, truth, background, unlabelled)
    assert np.vectorize(names.get)(errors.values).tolist() == expected.tolist()
    assert errors.pixels == {c.name: (expected == c.name).sum() for c in errors.classes}


def test_the_class_called_background_is_the_background():
    names = pd.DataFrame({"index": [1, 2], "name": ["Background", "cell"]})
    scribbles = SimpleNamespace(
        data=np.array([[1, 1, 2, 0]]), features=names, name="", ndim=2, scale=(1, 1), metadata={}
    )
    errors = error_map(np.array([[1, 2, 1, 2]]), scribbles, unlabelled=0)
    assert errors.values.tolist() == [[0, 2, 3, 0]]


@pytest.mark.parametrize("slab", [2**23, 60 * 7])
def test_objects_are_matched_missed_invented_split_or_merged(monkeypatch, slab):
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", slab)
    errors = error_map(PREDICTED, TRUTH, kind="instance", labels_are="objects")
    for number, (name, parts) in enumerate(BOXES.items(), 1):
        for rows, columns, _ in (*parts[0], *parts[1]):
            assert errors.classes[number - 1].name == name
            assert (errors.values[rows, columns] == number).all()
    assert not errors.values[(TRUTH == 0) & (PREDICTED == 0)].any()
    table = errors.objects.table
    found = {(r.status, r.truth, r.prediction) for r in table.itertuples()}
    assert found == {
        ("matched", 1, 11), ("missed", 2, 0), ("invented", 0, 12), ("split", 3, 0),
        ("split", 0, 13), ("split", 0, 23), ("split", 0, 33), ("merged", 4, 0), ("merged", 5, 0),
        ("merged", 0, 14),
    }  # fmt: skip
    row = int(np.flatnonzero(table["truth"] == 1)[0])
    assert errors.objects.box(row) == np.s_[2:12, 2:13]
    assert table["iou"][row] == pytest.approx(90 / 110)
    assert table["iou"][int(np.flatnonzero(table["truth"] == 3)[0])] == pytest.approx(1 / 3)


@given(small, small, st.sampled_from([0.3, 0.5, 0.8]))
def test_the_table_of_objects_agrees_with_the_report(prediction, truth, threshold):
    if not truth.any() and not prediction.any():
        return
    options = {"kind": "instance", "labels_are": "objects"}
    errors = error_map(prediction, truth, threshold=threshold, **options)
    report = evaluate(prediction, truth, thresholds=[threshold], **options)
    table = errors.objects.table
    pairs = report.matches[["truth", "prediction"]].to_numpy().tolist()
    assert sorted(table[["truth", "prediction"]].to_numpy().tolist()) == sorted(pairs)
    split, merged = table["status"] == "split", table["status"] == "merged"
    assert (split & (table["truth"] > 0)).sum() <= report.splits
    assert (merged & (table["prediction"] > 0)).sum() <= report.merges
    for row, (number, other) in enumerate(table[["truth", "prediction"]].to_numpy()):
        mask = ((truth == number) & (number > 0)) | ((prediction == other) & (other > 0))
        box = [slice(i.min(), i.max() + 1) for i in np.nonzero(mask)]
        assert errors.objects.box(row) == tuple(box)


def test_what_is_not_annotated_is_no_error():
    truth = np.where(TRUTH == 2, 0, TRUTH)
    truth[26:] = 99
    errors = error_map(PREDICTED, truth, kind="instance", unlabelled=99, labels_are="objects")
    assert not errors.values[26:].any()
    assert errors.objects.counts["not counted"] == 1


def test_panoptic_segments_are_compared_by_their_classes():
    def segments(labels, classes):
        table = pd.DataFrame({"index": list(classes), "class": list(classes.values())})
        return LabelTable(np.array([labels]), table)

    truth = segments([1, 1, 2, 0, 0], {1: "cell", 2: "sky"})
    prediction = segments([7, 0, 9, 9, 0], {7: "cell", 9: "cell"})
    errors = error_map(prediction, truth, kind="panoptic")
    assert errors.values.tolist() == [[1, 3, 4, 2, 0]]


def test_worst_places_are_the_largest_errors_without_rims():
    errors = np.zeros((30, 40), np.uint8)
    errors[0, :] = errors[:, 0] = 2  # a rim that touches all
    errors[0:10, 5:15] = 2
    errors[20:28, 20:24] = 3
    errors[15:18, 30:33] = 1  # right
    assert worst_places(errors, [2, 3]) == [
        ErrorPlace(np.s_[0:10, 5:15], 2, 100),
        ErrorPlace(np.s_[20:28, 20:24], 3, 32),
    ]
    rim = np.where(errors == 2, 0, errors)
    rim[20:28, 22:] = 0
    assert worst_places(rim, [2, 3]) == [ErrorPlace(np.s_[20:28, 20:22], 3, 16)]
    assert worst_places(np.zeros((3, 3, 3), np.uint8), [2]) == []


def test_pixels_that_do_not_count_are_no_error():
    whole = error_map(PREDICTED > 0, TRUTH > 0).values
    part = error_map(PREDICTED > 0, TRUTH > 0, region=np.s_[:20, 5:]).values
    inside = np.zeros_like(whole)
    inside[:20, 5:] = whole[:20, 5:]
    assert (part == inside).all()


def test_values_of_the_prediction_are_mapped_as_in_evaluate():
    errors = error_map(np.array([[0, 255, 255]]), np.array([[0, 1, 0]]), class_map={255: 1})
    assert errors.values.tolist() == [[0, 1, 2]]


def test_several_images_are_refused():
    with pytest.raises(ValueError, match="The lists hold 2 images"):
        error_map([TRUTH, TRUTH], [TRUTH, PREDICTED])
