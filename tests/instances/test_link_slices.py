import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_segkit.instances.link_slices import link_slices

stacks = hnp.arrays(np.int32, (4, 6, 7), elements=st.integers(-1, 5))
thresholds = st.sampled_from([0.1, 0.25, 0.5, 1.0])


def row(*spans, width=20):
    """A slice of one row: (id, start, stop)."""
    plane = np.zeros((1, width), np.int32)
    for value, start, stop in spans:
        plane[0, start:stop] = value
    return plane


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.int32, (6, 7), elements=st.integers(-1, 5)), st.integers(1, 4), thresholds)
def test_a_slice_repeated_holds_as_many_objects_as_one(plane, repeats, threshold):
    linked, links = link_slices(np.stack([plane] * repeats), threshold)
    objects = len(set(plane[plane > 0]))
    assert linked.max() == objects or not objects
    assert len(links) == objects * repeats
    np.testing.assert_array_equal(linked, linked[[0] * repeats])


@settings(deadline=None, max_examples=50)
@given(stacks, thresholds)
def test_linked_objects_overlap_and_links_describe_them(labels, threshold):
    linked, links = link_slices(labels, threshold)
    assert linked.dtype == np.int32
    np.testing.assert_array_equal(linked[labels <= 0], labels[labels <= 0])
    rebuilt = np.minimum(labels, 0)
    for z, old, new, pixels in links:
        rebuilt[z][labels[z] == old] = new
        assert pixels == (labels[z] == old).sum() > 0
    np.testing.assert_array_equal(rebuilt, linked)
    assert len({(z, new) for z, _, new, _ in links}) == len(links)  # one to one
    new = links[:, 2]
    first = np.sort(np.unique(new, return_index=True)[1])
    np.testing.assert_array_equal(new[first], np.arange(1, len(first) + 1))
    for z in range(3):
        shared = set(links[links[:, 0] == z, 2]) & set(links[links[:, 0] == z + 1, 2])
        assert all(iou(linked[z] == n, linked[z + 1] == n) >= threshold for n in shared)
        ended = set(links[links[:, 0] == z, 2]) - shared
        begun = set(links[links[:, 0] == z + 1, 2]) - shared
        left = [iou(linked[z] == a, linked[z + 1] == b) for a in ended for b in begun]
        assert max(left, default=0) < threshold  # nothing that could be joined is left apart


@settings(deadline=None, max_examples=50)
@given(stacks, thresholds, st.permutations(range(1, 6)))
def test_ids_of_different_slices_are_unrelated(labels, threshold, order):
    overall = np.where(labels > 0, labels + 10 * np.arange(4)[:, None, None], labels)
    far = np.where(labels > 0, labels + 10**8 * np.arange(4)[:, None, None], labels)
    linked, links = link_slices(labels, threshold)
    for other in (overall, far, far.astype(np.int64)):
        again, rows = link_slices(other, threshold)
        np.testing.assert_array_equal(again, linked)
        np.testing.assert_array_equal(rows[:, [0, 2, 3]], links[:, [0, 2, 3]])


def test_the_best_pair_goes_first():
    below = row((1, 0, 10))
    above = row((1, 0, 4), (2, 4, 10))
    linked, links = link_slices(np.stack([below, above]), 0.3)
    np.testing.assert_array_equal(linked[1, 0, :10], [2] * 4 + [1] * 6)
    assert links.tolist() == [[0, 1, 1, 10], [1, 1, 2, 4], [1, 2, 1, 6]]


def test_two_cells_never_become_one():
    linked, _ = link_slices(np.stack([row((1, 0, 5), (2, 5, 10)), row((7, 0, 10))]), 0.4)
    assert sorted(set(linked[0].ravel())) == [0, 1, 2]
    assert sorted(set(linked[1].ravel())) == [0, 1]


def test_the_threshold_is_inclusive():
    stack = np.stack([row((1, 0, 10)), row((1, 5, 15))])  # 5 of 15 pixels
    assert link_slices(stack, 1 / 3)[0].max() == 1
    assert link_slices(stack, 0.34)[0].max() == 2


def test_gaps_are_not_bridged():
    stack = np.stack([row((1, 0, 10)), row(), row((1, 0, 10))])
    assert link_slices(stack, 0.5)[0].max() == 2


def test_scores_can_be_summed_over_the_slices():
    stack = np.stack([row((4, 0, 8), (9, 10, 12)), row((3, 0, 6))])
    _, links = link_slices(stack, 0.5)
    scores = {(0, 4): 0.9, (0, 9): 0.5, (1, 3): 0.2}
    each = np.array([scores[z, old] for z, old in links[:, :2]])
    pixels = np.bincount(links[:, 2], links[:, 3])
    mean = np.bincount(links[:, 2], each * links[:, 3])[1:] / pixels[1:]
    np.testing.assert_allclose(mean, [(0.9 * 8 + 0.2 * 6) / 14, 0.5])


@pytest.mark.parametrize("shape", [(0, 4, 4), (3, 4, 4), (1, 4, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint64, np.int64])
def test_empty_stacks_and_any_integers(shape, dtype):
    linked, links = link_slices(np.zeros(shape, dtype), 0.5)
    assert linked.shape == shape
    assert not linked.any()
    assert links.shape == (0, 4)
    full = np.full(shape, 7, dtype)
    assert (link_slices(full, 0.5)[0] == 1).all()


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, float("nan")])
def test_thresholds_have_limits(threshold):
    with pytest.raises(ValueError, match="above 0 and up to 1"):
        link_slices(np.zeros((2, 3, 3), int), threshold)


def test_a_plane_is_no_stack():
    with pytest.raises(ValueError, match=r"shape \(3, 3\).*three dimensions"):
        link_slices(np.zeros((3, 3), int), 0.5)
