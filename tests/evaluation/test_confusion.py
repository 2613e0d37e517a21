"""The counts and metrics against scikit-learn and torchmetrics, and what must hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from napari_segkit.evaluation import confusion
from napari_segkit.evaluation.confusion import confusion_matrix, expand_classes

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
    counts = confusion_matrix(prediction, truth, VALUES)
    expected = sklearn_metrics.confusion_matrix(truth.ravel(), prediction.ravel(), labels=VALUES)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts[:, :-1], expected)
    assert not counts[:, -1].any()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (confusion.iou, sklearn_metrics.jaccard_score),
        (confusion.dice, sklearn_metrics.f1_score),
        (confusion.precision, sklearn_metrics.precision_score),
        (confusion.recall, sklearn_metrics.recall_score),
    ],
)
@given(pair=pairs())
def test_metrics_are_those_of_sklearn(ours, theirs, pair):
    prediction, truth = pair
    computed = ours(confusion_matrix(prediction, truth, VALUES))
    expected = theirs(
        truth.ravel(), prediction.ravel(), labels=VALUES, average=None, zero_division=0
    )
    defined = ~np.isnan(computed)
    np.testing.assert_allclose(computed[defined], expected[defined], rtol=0, atol=1e-12)
    assert np.all(expected[~defined] == 0)


def test_metrics_are_those_of_torchmetrics():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 5, (2, 40, 50))
    counts = confusion_matrix(prediction, truth, range(5))
    given_to_torch = (torch.from_numpy(prediction), torch.from_numpy(truth))
    matrix = classification.multiclass_confusion_matrix(*given_to_torch, num_classes=5)
    np.testing.assert_array_equal(counts[:, :-1], matrix.numpy())
    jaccard = classification.multiclass_jaccard_index(
        *given_to_torch, num_classes=5, average="none"
    )
    np.testing.assert_allclose(confusion.iou(counts), jaccard.double().numpy(), atol=1e-6)


@given(pairs())
def test_counts_add_up(pair):
    prediction, truth = pair
    parts = [confusion_matrix(prediction[i], truth[i], VALUES) for i in range(len(truth))]
    np.testing.assert_array_equal(sum(parts), confusion_matrix(prediction, truth, VALUES))


@given(pairs(), st.randoms())
def test_the_order_of_pixels_does_not_matter(pair, random):
    order = list(range(pair[0].size))
    random.shuffle(order)
    shuffled = [a.ravel()[order] for a in pair]
    np.testing.assert_array_equal(
        confusion_matrix(*shuffled, VALUES), confusion_matrix(*pair, VALUES)
    )


@given(pairs())
def test_a_perfect_prediction_has_one_everywhere(pair):
    truth = pair[1]
    counts = confusion_matrix(truth, truth, VALUES)
    for metric in (confusion.iou, confusion.dice, confusion.precision, confusion.recall):
        values = metric(counts)
        assert np.all(values[np.isin(VALUES, truth)] == 1)
        assert np.all(np.isnan(values[~np.isin(VALUES, truth)]))
    assert confusion.accuracy(counts) == 1


def test_dice_follows_from_iou():
    rng = np.random.default_rng(1)
    counts = confusion_matrix(*rng.integers(0, 4, (2, 30, 30)), range(4))
    iou = confusion.iou(counts)
    np.testing.assert_allclose(confusion.dice(counts), 2 * iou / (1 + iou))


def test_values_outside_the_classes_are_left_out_of_the_truth_and_misses_in_the_prediction():
    truth = np.array([0, 1, 1, 2])
    prediction = np.array([1, 1, 0, 2])
    np.testing.assert_array_equal(
        confusion_matrix(prediction, truth, (1, 2)), [[1, 0, 1], [0, 1, 0]]
    )


def test_nothing_counted_gives_nan():
    counts = confusion_matrix([1, 1], [0, 0], (1,))
    assert np.isnan(confusion.accuracy(counts))
    assert np.isnan(confusion.iou(counts)).all()


def test_large_values_are_counted_like_small_ones():
    rng = np.random.default_rng(2)
    truth, prediction = rng.integers(0, 3, (2, 100))
    large = confusion_matrix(prediction * 100_000, truth * 100_000, (0, 100_000, 200_000))
    np.testing.assert_array_equal(large, confusion_matrix(prediction, truth, (0, 1, 2)))


@given(pairs())
def test_widened_counts_are_those_of_more_classes(pair):
    prediction, truth = pair
    values = np.union1d(prediction, truth)
    wider = np.union1d(values, VALUES)
    np.testing.assert_array_equal(
        expand_classes(confusion_matrix(prediction, truth, values), values, wider),
        confusion_matrix(prediction, truth, wider),
    )


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        confusion_matrix([0, 1], [0, 1, 1], (0, 1))
