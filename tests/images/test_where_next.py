"""The most uncertain window without labels, against trying each window."""

from itertools import product

import numpy as np
import pytest

from napari_segkit import next_place


def tried(uncertainty, labelled, size):
    """Every window one by one, in exact fractions of 65535."""
    levels = np.rint(np.where(labelled, 0, uncertainty) * 65535)
    windows = [
        tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
        for start in product(*(range(n - w + 1) for n, w in zip(levels.shape, size, strict=True)))
    ]
    return max(windows, key=lambda window: levels[window].sum())  # the first of equal ones


@pytest.mark.parametrize(
    ("shape", "size"),
    [((23, 31), (5, 8)), ((9, 40), (9, 7)), ((6, 7, 8), (2, 3, 4)), ((50,), (6,))],
)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_best_of_all_windows(shape, size, seed):
    random = np.random.default_rng(seed)
    uncertainty = random.integers(0, 4, shape) / 3  # with many ties
    uncertainty.flat[0] = 1
    labelled = random.random(shape) < 0.3
    labelled.flat[0] = False
    assert next_place(uncertainty, labelled, size) == tried(uncertainty, labelled, size)


def test_labelled_pixels_count_as_certain():
    uncertainty = np.full((20, 20), 0.5, np.float32)
    uncertainty[:8, :8] = 1
    labels = np.zeros((20, 20), np.uint8)
    labels[:8, :8] = 3
    top, left = next_place(uncertainty, labels, 6)
    assert not labels[top, left].any()


def test_of_equal_windows_it_is_the_first():
    flat = np.full((12, 12), 0.7, np.float32)
    assert next_place(flat, np.zeros((12, 12)), 4) == (slice(0, 4), slice(0, 4))


def test_where_nothing_is_uncertain_it_has_the_fewest_labels():
    labelled = np.ones((16, 16), bool)
    labelled[9:12, 5:8] = False
    assert next_place(np.zeros((16, 16)), labelled, 3) == (slice(9, 12), slice(5, 8))


def test_missing_uncertainty_is_never_chosen():
    uncertainty = np.full((10, 10), np.nan)
    uncertainty[:, 6:], uncertainty[0, 0] = 0.1, np.inf
    assert next_place(uncertainty, np.zeros((10, 10), bool), 4)[1] == slice(6, 10)


def test_a_window_is_cut_to_a_small_image():
    assert next_place(np.ones((5, 9)), np.zeros((5, 9)), 8)[0] == slice(0, 5)


@pytest.mark.parametrize(
    ("uncertainty", "labelled", "size", "message"),
    [
        (np.ones((4, 4)), np.ones((4, 4)), 2, "nothing left to paint"),
        (np.full((4, 4), np.nan), np.zeros((4, 4)), 2, "nothing left to paint"),
        (np.ones((4, 4)), np.zeros((4, 5)), 2, "same image"),
        (np.ones((4, 4)), np.zeros((4, 4)), 0, "1 or more"),
        (np.ones((4, 4)), np.zeros((4, 4)), 2.5, "whole numbers"),
        (np.ones((4, 4)), np.zeros((4, 4)), (2, 2, 2), "2 axes"),
    ],
)
def test_what_cannot_be_is_refused(uncertainty, labelled, size, message):
    with pytest.raises(ValueError, match=message):
        next_place(uncertainty, labelled, size)
