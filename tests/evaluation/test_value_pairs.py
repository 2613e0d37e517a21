"""Counts of pairs of values, against brute force, and the memory they take."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segkit import evaluate
from napari_segkit.evaluation import value_pairs
from napari_segkit.evaluation.value_pairs import count_pairs

LAYOUTS = {
    "plain": lambda a: a,
    "Fortran order": np.asfortranarray,
    "mirrored": lambda a: a[::-1].copy()[::-1],
    "every other column": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}
VALUES = {
    "small": [0, 1, 2],
    "none is 0": [7, 9],
    "not counted": [-1, 0, 3],
    "far apart": [0, 1000, 60000],
    "large": [5, 2**31 - 1],
    "very large": [0, 2**40, 2**62],
}


def occurring(pairs):
    """Each pair of values that occurs, with its count."""
    rows, columns = np.nonzero(pairs.counts)
    keys = zip(pairs.truth[rows].tolist(), pairs.prediction[columns].tolist(), strict=True)
    return dict(zip(keys, pairs.counts[rows, columns].tolist(), strict=True))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    sides=st.tuples(*[st.sampled_from([*VALUES])] * 2),
    layouts=st.tuples(*[st.sampled_from([*LAYOUTS])] * 2),
)
def test_pairs_are_those_of_brute_force(seed, shape, sides, layouts):
    rng = np.random.default_rng(seed)
    chosen = zip(sides, layouts, strict=True)
    prediction, truth = (LAYOUTS[x](rng.choice(VALUES[v], shape)) for v, x in chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(value_pairs, "CHUNK", 8)
        pairs = count_pairs(prediction, truth)
    expected = Counter(zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True))
    assert occurring(pairs) == expected
    assert pairs.present.tolist() == np.union1d(prediction, truth).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_narrow_values_do_not_overflow(dtype):
    high = np.iinfo(dtype).max
    truth = np.arange(high - 199, high + 1).astype(dtype)
    assert occurring(count_pairs(truth, truth)) == {(v, v): 1 for v in truth.tolist()}


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_the_highest_value_counts_beside_pixels_that_do_not(dtype):
    truth = np.array([-1, 0, np.iinfo(dtype).max] * 2, dtype)
    assert occurring(count_pairs(truth, truth)) == {(v, v): 2 for v in truth[:3].tolist()}


@pytest.mark.parametrize(("dtype", "unlabelled"), [(np.uint8, None), (np.int32, 255)])
def test_large_labels_take_less_than_a_byte_per_pixel(dtype, unlabelled):
    coarse = np.random.default_rng(0).integers(0, 4, (32, 32))
    truth = np.kron(coarse, np.ones((96, 96), np.uint8)).astype(dtype)
    truth[:200] = 255
    prediction = np.roll(truth, 9, axis=1)
    evaluate(prediction, truth, unlabelled=unlabelled)  # imports modules
    tracemalloc.start()
    evaluate(prediction, truth, unlabelled=unlabelled)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < truth.size


def test_many_regions_of_a_large_plane_are_no_ids():
    coarse = np.random.default_rng(0).integers(0, 9, (64, 64))
    classes = np.kron(coarse, np.ones((16, 16), np.uint8)).astype(np.uint8)
    assert len(evaluate(classes, classes.copy()).classes) == 9
    ids = np.kron(np.arange(256).reshape(16, 16), np.ones((64, 64), np.uint16))
    with pytest.raises(ValueError, match="labels_are='objects'"):
        evaluate(ids, ids.copy())
