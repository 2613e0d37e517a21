"""The counts and figures against scikit-learn and torchmetrics, and what must hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
    recall_score,
)

from napari_segkit.evaluation import confusion as figures
from napari_segkit.evaluation.confusion import confusion, widen

VALUES = (0, 1, 3, 255)


@st.composite
def pairs(draw):
    """A prediction and a truth of one random shape, with values among `VALUES`."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    size = int(np.prod(shape))
    values = st.lists(st.sampled_from(VALUES), min_size=size, max_size=size)
    return tuple(np.array(draw(values), np.uint8).reshape(shape) for _ in range(2))


@given(pairs())
def test_counts_are_those_of_sklearn(pair):
    prediction, truth = pair
    counts = confusion(prediction, truth, VALUES)
    expected = confusion_matrix(truth.ravel(), prediction.ravel(), labels=VALUES)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts[:, :-1], expected)
    assert not counts[:, -1].any()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (figures.iou, jaccard_score),
        (figures.dice, f1_score),
        (figures.precision, precision_score),
        (figures.recall, recall_score),
    ],
)
@given(pair=pairs())
def test_figures_are_those_of_sklearn(ours, theirs, pair):
    prediction, truth = pair
    mine = ours(confusion(prediction, truth, VALUES))
    expected = theirs(
        truth.ravel(), prediction.ravel(), labels=VALUES, average=None, zero_division=0
    )
    defined = ~np.isnan(mine)
    np.testing.assert_allclose(mine[defined], expected[defined], rtol=0, atol=1e-12)
    assert np.all(expected[~defined] == 0)


def test_figures_are_those_of_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 5, (2, 40, 50))
    counts = confusion(prediction, truth, range(5))
    given_to_torch = (torch.from_numpy(prediction), torch.from_numpy(truth))
    matrix = classification.multiclass_confusion_matrix(*given_to_torch, num_classes=5)
    np.testing.assert_array_equal(counts[:, :-1], matrix.numpy())
    jaccard = classification.multiclass_jaccard_index(
        *given_to_torch, num_classes=5, average="none"
    )
    np.testing.assert_allclose(figures.iou(counts), jaccard.double().numpy(), atol=1e-6)


@given(pairs())
def test_counts_add_up(pair):
    prediction, truth = pair
    parts = [confusion(prediction[i], truth[i], VALUES) for i in range(len(truth))]
    np.testing.assert_array_equal(sum(parts), confusion(prediction, truth, VALUES))


@given(pairs(), st.randoms())
def test_the_order_of_pixels_does_not_matter(pair, random):
    order = list(range(pair[0].size))
    random.shuffle(order)
    shuffled = [a.ravel()[order] for a in pair]
    np.testing.assert_array_equal(confusion(*shuffled, VALUES), confusion(*pair, VALUES))


@given(pairs())
def test_a_perfect_prediction_has_one_everywhere(pair):
    truth = pair[1]
    counts = confusion(truth, truth, VALUES)
    for figure in (figures.iou, figures.dice, figures.precision, figures.recall):
        values = figure(counts)
        assert np.all(values[np.isin(VALUES, truth)] == 1)
        assert np.all(np.isnan(values[~np.isin(VALUES, truth)]))
    assert figures.accuracy(counts) == 1


def test_dice_follows_from_iou():
    rng = np.random.default_rng(1)
    counts = confusion(*rng.integers(0, 4, (2, 30, 30)), range(4))
    iou = figures.iou(counts)
    np.testing.assert_allclose(figures.dice(counts), 2 * iou / (1 + iou))


def test_a_truth_that_is_no_class_is_not_counted_and_a_prediction_is_a_miss():
    truth = np.array([0, 1, 1, 2])
    prediction = np.array([1, 1, 0, 2])
    np.testing.assert_array_equal(confusion(prediction, truth, (1, 2)), [[1, 0, 1], [0, 1, 0]])


def test_nothing_counted_gives_nan():
    counts = confusion([1, 1], [0, 0], (1,))
    assert np.isnan(figures.accuracy(counts))
    assert np.isnan(figures.iou(counts)).all()


def test_large_values_are_counted_like_small_ones():
    rng = np.random.default_rng(2)
    truth, prediction = rng.integers(0, 3, (2, 100))
    large = confusion(prediction * 100_000, truth * 100_000, (0, 100_000, 200_000))
    np.testing.assert_array_equal(large, confusion(prediction, truth, (0, 1, 2)))


@given(pairs())
def test_widened_counts_are_those_of_more_classes(pair):
    prediction, truth = pair
    values = np.union1d(prediction, truth)
    wider = np.union1d(values, VALUES)
    np.testing.assert_array_equal(
        widen(confusion(prediction, truth, values), values, wider),
        confusion(prediction, truth, wider),
    )


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        confusion([0, 1], [0, 1, 1], (0, 1))
