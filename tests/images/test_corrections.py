"""What of a prediction becomes labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_segkit.images.corrections import (
    LabelPatch,
    accepted_inside,
    as_predicted,
    painted_corrections,
    require_fitting,
)
from napari_segkit.images.regions import Part, Region

AXES = "TZYX"


def region_of(mask):
    whole = tuple(slice(0, n) for n in mask.shape)
    return Region(AXES[-mask.ndim :], mask.shape, (Part(whole, mask),))


def pasted(patches, labels, only=None):
    result = labels.copy()
    for patch in patches:
        result[patch.box] = patch.on(result, only)
    return result


@st.composite
def cases(draw):
    """What was predicted and where, what is there now, labels, a region, and `unlabelled`."""
    shape = draw(array_shapes(min_dims=2, max_dims=4, max_side=5))
    values = [draw(arrays(np.uint8, shape, elements=st.integers(0, 3))) for _ in range(3)]
    masks = [draw(arrays(bool, shape)) for _ in range(2)]
    return *values, *masks, draw(st.sampled_from([None, 0, 2]))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_labels_get_what_was_painted_and_nothing_else(case):
    predicted, now, labels, known, inside, unlabelled = case
    shown = np.where(known, predicted, 0)
    patches = painted_corrections(
        now, predicted, region_of(known), unlabelled=unlabelled, region=region_of(inside)
    )
    taken = (now != shown) & inside & (now != (99 if unlabelled is None else unlabelled))
    np.testing.assert_array_equal(pasted(patches, labels), np.where(taken, now, labels))
    assert sum(p.pixels for p in patches) == taken.sum()
    restored = pasted(as_predicted(patches, predicted, region_of(known)), now)
    np.testing.assert_array_equal(restored, np.where(taken, shown, now))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_what_is_accepted_fills_unlabelled_pixels_only(case):
    _, now, labels, known, inside, unlabelled = case
    if unlabelled is None:
        return
    patches = accepted_inside(
        now, labels, region_of(inside), region_of(known), unlabelled=unlabelled
    )
    taken = inside & (labels == unlabelled) & (known | (now != 0)) & (now != unlabelled)
    np.testing.assert_array_equal(pasted(patches, labels), np.where(taken, now, labels))
    np.testing.assert_array_equal(pasted(patches, labels, unlabelled), pasted(patches, labels))


def test_patches_are_as_small_as_what_was_painted_in_each_plane():
    predicted = np.ones((3, 50, 60), np.uint8)
    now = predicted.copy()
    now[0, 3:5, 7:9], now[2, 40, 50] = 2, 3
    first, last = painted_corrections(now, predicted, None, unlabelled=0)
    assert first.box == (slice(0, 1), slice(3, 5), slice(7, 9))
    assert last.box == (slice(2, 3), slice(40, 41), slice(50, 51))
    now[:] = 9  # painting goes on
    assert (first.values == 2).all()


def test_what_cannot_be_taken_is_refused():
    small, large = np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match="at the same level"):
        painted_corrections(small, large, None, unlabelled=0)
    with pytest.raises(ValueError, match="unlabelled is None"):
        accepted_inside(small, small, region_of(small == 0), None, unlabelled=None)
    box = (slice(0, 1), slice(0, 2))
    patch = LabelPatch(box, np.array([[True, False]]), np.array([[300, 70000]], np.uint32))
    require_fitting([patch], np.uint16, "nuclei")
    with pytest.raises(ValueError, match=r"nuclei is uint8 .* has the value 300"):
        require_fitting([patch], np.uint8, "nuclei")
