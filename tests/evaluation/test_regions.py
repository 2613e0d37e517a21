"""Over- and under-segmentation: scikit-image, brute force, and what must hold of it."""

import warnings

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_segkit.evaluation import slab_reader
from napari_segkit.evaluation.metric import LabelTable
from napari_segkit.evaluation.report import evaluate


def objects(prediction, truth, **options):
    return evaluate(prediction, truth, kind="instance", labels_are="objects", **options)


@st.composite
def pairs(draw):
    """A prediction and a truth of a few ids in random runs."""
    shape = draw(st.integers(1, 6)), draw(st.integers(2, 12))
    values = st.lists(st.sampled_from((0, 1, 2, 5, 9)), min_size=72, max_size=72)
    return tuple(np.resize(draw(values), shape[::-1]).T for _ in range(2))


@given(pairs())
def test_ratios_are_those_of_scikit_image(pair):
    prediction, truth = pair
    metrics = objects(prediction, truth).metrics
    if not truth.any():
        assert np.isnan([metrics["vi_split"], metrics["vi_merge"]]).all()
        return
    expected = variation_of_information(truth, prediction, ignore_labels=(0,))
    assert [metrics["vi_split"], metrics["vi_merge"]] == pytest.approx(expected, abs=1e-9)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        error, of_truth, of_prediction = adapted_rand_error(truth, prediction)
    names = ("adapted_rand_error", "rand_recall", "rand_precision")  # as its formulas have them
    expected = [error, of_truth, of_prediction]
    assert [metrics[n] for n in names] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def further_pieces(wholes, pieces):
    """Pieces that lie mostly in one and the same whole, but for the first: mask by mask."""
    owners = []
    for piece in np.unique(pieces[pieces > 0]):
        inside = wholes[pieces == piece]
        owners += [
            w for w in np.unique(inside[inside > 0]) if 2 * (inside == w).sum() > inside.size
        ]
    return len(owners) - len(set(owners))


@given(pairs(), st.sampled_from((None, 9)))
def test_splits_and_merges_are_counted(pair, unlabelled):
    prediction, truth = pair
    if (truth == unlabelled).all():
        return
    report = objects(prediction, truth, unlabelled=unlabelled)
    seen = truth != unlabelled
    assert report.splits == further_pieces(truth[seen], prediction[seen])
    assert report.merges == further_pieces(prediction[seen], truth[seen])
    assert report.count_error == report.predicted_objects - report.truth_objects


TRUTH = np.zeros((10, 12), int)
TRUTH[1:9, 1:5], TRUTH[1:9, 7:11] = 1, 2


def test_swapped_sides_swap_splits_and_merges():
    prediction = TRUTH.copy()
    prediction[1:9, 3:5] = 4
    report, swapped = objects(prediction, TRUTH), objects(TRUTH, prediction)
    assert (report.splits, report.merges) == (swapped.merges, swapped.splits) == (1, 0)
    report = objects(np.where(TRUTH > 0, 1, 0), TRUTH)
    assert (report.vi_split, report.vi_merge, report.splits, report.merges) == (0, 1, 0, 1)
    assert "splits: 0, merges: 1" in report.summary()


def test_images_are_pooled_by_their_pixels_and_objects_of_two_never_mixed(monkeypatch):
    merged, others = np.where(TRUTH > 0, 1, 0), np.where(TRUTH > 0, TRUTH + 10, 0)
    pooled = objects([merged, TRUTH], [TRUTH, TRUTH])
    placed = np.concatenate([merged, others]), np.concatenate([TRUTH, others])
    side_by_side = objects(*placed)
    names = ("vi_split", "vi_merge", "adapted_rand_error", "merges")
    for name in names:
        assert pooled.metrics[name] == pytest.approx(side_by_side.metrics[name])
    monkeypatch.setattr(slab_reader, "SLAB_PIXELS", 12)
    lazy = objects(*(da.from_array(x, (1, 12)) for x in placed))
    assert [lazy.metrics[n] for n in names] == [side_by_side.metrics[n] for n in names]


def test_regions_made_of_classes_touch_by_faces_on_request():
    truth = np.ones((9, 9), int)
    truth[range(9), range(9)] = 0  # a membrane of one pixel, along a diagonal
    options = {"kind": "instance", "labels_are": "classes"}
    assert evaluate(truth, truth, **options).truth_objects == 1
    report = evaluate(np.ones((9, 9), int), truth, connectivity="faces", **options)
    assert (report.truth_objects, report.merges) == (2, 1)
    with pytest.raises(ValueError, match="for connected components only"):
        evaluate(truth, truth, kind="instance", labels_are="objects", connectivity="faces")


def test_panoptic_things_are_compared_and_stuff_is_background():
    def segments(labels):
        kinds = ["thing", "thing", "stuff"]
        table = {"index": [1, 2, 3], "class": ["cell", "cell", "glass"], "kind": kinds}
        return LabelTable(np.where(labels == 0, 3, labels), pd.DataFrame(table))

    merged = segments(np.where(TRUTH > 0, 1, 0))
    report = evaluate(merged, segments(TRUTH), kind="panoptic")
    assert (report.metrics["vi_split"], report.metrics["vi_merge"]) == (0, 1)
    assert report.metrics["merges"] == report.things.metrics["merges"] == 1
    assert np.isnan(report.stuff.metrics["vi_merge"])
