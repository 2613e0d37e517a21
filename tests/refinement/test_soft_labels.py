"""Plain labels as probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_segkit import MRFConfig, smooth, soft_labels
from napari_segkit.config import SoftLabelConfig
from napari_segkit.images.labels import from_indices
from napari_segkit.refinement.soft_labels import SoftLabels


@given(
    labels=arrays(np.uint8, (3, 4, 5), elements=st.sampled_from([0, 2, 7, 255])),
    certainty=st.floats(0.6, 1.0),
    unlabelled=st.sampled_from([None, 255, 0]),
)
def test_each_pixel_has_its_class_with_the_certainty(labels, certainty, unlabelled):
    if len(set(np.unique(labels)) - {unlabelled}) < 2:
        return
    probabilities, values = soft_labels(labels, certainty=certainty, unlabelled=unlabelled)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(values), 3, 4, 5)
    assert list(values) == sorted(set(np.unique(labels)) - {unlabelled})
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)
    known = labels != unlabelled
    np.testing.assert_array_equal(
        from_indices(probabilities.argmax(0), values)[known], labels[known]
    )
    np.testing.assert_allclose(probabilities.max(axis=0)[known], certainty, rtol=1e-5)
    np.testing.assert_allclose(probabilities[:, ~known], 1 / len(values), rtol=1e-5)


def test_classes_can_be_listed():
    labels = np.array([[0, 1, 9]])
    probabilities, values = soft_labels(labels, values=(2, 0, 1))
    assert values == (0, 1, 2)
    np.testing.assert_allclose(probabilities[:, 0, 0], [0.8, 0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(probabilities[:, 0, 2], 1 / 3, rtol=1e-5)


class RecordingLabels:
    """Labels that record how many pixels are read at once."""

    def __init__(self, labels):
        self.labels, self.most = labels, 0
        self.shape, self.ndim, self.dtype = labels.shape, labels.ndim, labels.dtype

    def __getitem__(self, where):
        part = self.labels[where]
        self.most = max(self.most, part.size)
        return part


@given(
    start=st.tuples(st.integers(0, 3), st.integers(0, 7)),
    size=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    unlabelled=st.sampled_from([None, 0]),
)
def test_large_labels_are_read_region_by_region(start, size, unlabelled):
    labels = np.random.default_rng(0).choice([0, 2, 7, 255], (5, 10)).astype(np.uint8)
    whole, values = soft_labels(labels, unlabelled=unlabelled, values=(255, 0, 2, 9))
    watched = RecordingLabels(labels)
    lazy = SoftLabels(watched, (255, 0, 2, 9), SoftLabelConfig(unlabelled=unlabelled))
    assert (lazy.values, lazy.shape, lazy.ndim) == (values, whole.shape, 3)
    where = (slice(None), *(slice(a, a + n) for a, n in zip(start, size, strict=True)))
    np.testing.assert_array_equal(lazy[where], whole[where])
    np.testing.assert_array_equal(lazy[1, start[0]], whole[1, start[0]])
    assert watched.most <= 10


def test_scribbles_spread_once_they_are_probabilities():
    labels = np.zeros((20, 24), np.uint8)
    labels[4, :] = 1
    labels[15, :] = 2
    labels[5, 7] = 2
    probabilities, values = soft_labels(labels, unlabelled=0)
    found = from_indices(smooth(probabilities, None, MRFConfig()).argmax(axis=0), values)
    assert (found[2:6] == 1).all()
    assert (found[14:17] == 2).all()


@pytest.mark.parametrize(("labels", "given", "words"), [
    (np.ones((3, 3), int), {}, "have 1 class, and refinement needs at least two"),
    (np.zeros((3, 3), int), {"unlabelled": 0}, "have 0 classes"),
    (np.arange(400).reshape(20, 20), {}, "have 400 values"),
    (np.eye(3, dtype=int), {"certainty": 0.5}, "certainty is 0.5; give a number above 0.5"),
    (np.eye(3, dtype=int), {"certainty": 1.5}, "between 0.01 and 1"),
    (np.eye(3, dtype=int), {"certainty": float("nan")}, "certainty is nan"),
    (np.eye(3) / 2, {}, "fractions such as 0.5, but label values must be integers"),
    (-np.eye(3, dtype=int), {}, "negative"),
])  # fmt: skip
def test_unusable_labels_are_refused(labels, given, words):
    with pytest.raises(ValueError, match=words):
        soft_labels(labels, **given)
