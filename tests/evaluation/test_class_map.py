"""Classes of a prediction that have other values in the truth."""

import dask.array as da
import numpy as np
import pytest

from napari_segkit import evaluate
from napari_segkit.images.class_labels import ClassLabels
from napari_segkit.images.classes import LabelClass

TRUTH = np.zeros((20, 20), np.uint8)
TRUTH[5:15, 5:15] = 1
PREDICTION = np.roll(TRUTH, 2, axis=0)


def named(labels, **values):
    return ClassLabels(labels, tuple(LabelClass(v, n, "#ffffff") for n, v in values.items()))


@pytest.mark.parametrize("make", [np.asarray, lambda x: da.from_array(x, chunks=(5, 20))])
def test_values_of_a_mask_may_differ(make):
    truth = make(TRUTH * np.uint8(255))
    report = evaluate(make(PREDICTION), truth)
    assert (
        report.notes[0] == "Perhaps the same: 1 of the prediction as 255 of the truth (class_map)."
    )
    mapped = evaluate(make(PREDICTION), truth, class_map={1: 255})
    expected = evaluate(PREDICTION, TRUTH)
    assert mapped.classes == (0, 255)
    assert mapped.counts.tolist() == expected.counts.tolist()
    assert not mapped.notes


def test_names_that_match_are_proposed():
    prediction = named(PREDICTION + np.uint8(1), rock=1, cell=2)
    truth = named(2 - TRUTH, cell=1, rock=2)
    report = evaluate(prediction, truth)
    assert "1 of the prediction as 2, 2 of the prediction as 1 of the truth" in str(report)
    swapped = evaluate(prediction, truth, class_map={1: 2, 2: 1})
    assert swapped.iou[1] == evaluate(PREDICTION, TRUTH).iou[1]


def test_a_map_the_wrong_way_round_is_told():
    report = evaluate(PREDICTION, TRUTH * np.uint8(255), class_map={255: 1})
    assert "1 of the prediction as 255 of the truth" in report.notes[0]


def test_names_of_mapped_values_move_with_them():
    truth = np.where(np.arange(20) < 3, 1, 2 * TRUTH)
    report = evaluate(named(PREDICTION, cell=1), truth, class_map={np.int64(1): np.int64(2)})
    assert report.names == {2: "cell"}


def test_only_values_of_classes_are_mapped():
    assert not evaluate(PREDICTION, TRUTH).notes
    with pytest.raises(ValueError, match=r"class_map has 1='cell'; give label values"):
        evaluate(PREDICTION, TRUTH, class_map={1: "cell"})
    with pytest.raises(ValueError, match="class_map is for kind='semantic' only"):
        evaluate(PREDICTION, TRUTH, kind="instance", class_map={1: 2})
